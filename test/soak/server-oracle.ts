/** What must hold after the runs of a server that was killed again and again have come to their ends. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import type { RunRecord } from '../../src/engine/ports.ts';
import { loadSnapshotIndex, snapshotRows } from '../../src/engine/snapshot.ts';
import { systemClock, systemRandom } from '../../src/lib/system.ts';
import type { ItemRecord } from '../../src/model/outcome.ts';
import { FolderArtifactStore } from '../../src/standalone/artifacts.ts';
import { show, type Journaled } from './targets.ts';
import type { Installation } from './server-installation.ts';
import { pause, type RunView } from './server-api.ts';
import { contentProblems, READING, rowProblems, sumProblems, type Summary } from './oracle.ts';
import type { Route } from './server-routes.ts';

/** Longer than it takes until a worker that was lost is counted as gone, and what it may have begun is looked after. */
const LEFT_MS_MAX = 90_000;

/** Sentences about everything that is wrong with this run and its target; none if nothing is. */
export async function runProblems(server: Installation, route: Route, run: RunView): Promise<readonly string[]> {
  const { tree } = route.source;
  const { api } = server;
  if (run.error !== null) return [`the run is ${run.state} with ${run.error.code}: ${run.error.message}`];
  const rows = await api.copyLog(run.id);
  const { items, bytes, verification } = run.counters;
  const summary = { state: run.state, items, bytes, verification } as unknown as Summary;
  return [
    ...sumProblems(summary, tree),
    ...rowProblems(summary, rows, tree),
    ...(await contentProblems(rows, tree, route.target)),
    ...(await leftProblems(server, run.id, route)),
    ...(await route.source.problems()),
    ...(run.waits === null && run.live === null ? [] : ['the run has ended and still waits or works']),
    ...(run.manifestRoot === null ? ['the run has no manifest'] : []),
    ...(await snapshotProblems(server, run, rows)),
    ...(await tableProblems(server, run.id)),
  ];
}

/**
 * What a worker that was cut off begins in the moment of the end is ended right after it, by itself or by others: the
 * promise is that nothing stays, and not that nothing is seen in that moment. What may be begun so late stays journaled
 * for a while.
 */
async function leftProblems(server: Installation, runId: string, { target }: Route): Promise<readonly string[]> {
  const endAtMs = systemClock.now() + LEFT_MS_MAX;
  for (;;) {
    const [row] = await server.query<{ intents: number; sweeps: number }>(
      `SELECT (SELECT count(*)::integer FROM intents WHERE run_id = $1) AS intents,
         (SELECT count(*)::integer FROM segments WHERE run_id = $1 AND kind = 'sweep') AS sweeps`,
      [runId],
    );
    const { intents = 0, sweeps = 0 } = row ?? {};
    const problems = [
      ...(await target.leftovers()),
      ...(intents === 0 ? [] : [`${intents} intents are still journaled`]),
      ...(sweeps === 0 ? [] : ['what it left is still being taken away']),
    ];
    if (problems.length === 0) return problems;
    if (systemClock.now() > endAtMs) return [...problems, ...(await journalFacts(server, runId))];
    await pause(500);
  }
}

/** What tells how something could be left: everything that the journal says, and who was when at work. */
async function journalFacts(server: Installation, runId: string): Promise<readonly string[]> {
  const questions: readonly (readonly [what: string, text: string])[] = [
    ['the run', 'SELECT id, state, started_at, ended_at, clock_timestamp() AS now FROM runs WHERE id = $1'],
    ['journaled, of any run', 'SELECT run_id, intent, run_id = $1 AS is_of_this_run FROM intents'],
    [
      'its workers',
      `SELECT run_workers.worker_id, workers.state, joined_at, run_workers.left_at, run_workers.seen_at, workers.seen_at AS alive_at
       FROM run_workers LEFT JOIN workers ON workers.id = run_workers.worker_id WHERE run_id = $1 ORDER BY joined_at`,
    ],
    [
      'its segments',
      'SELECT segment_id, kind, state, epoch, takeovers, worker_id, checkpoint FROM segments WHERE run_id = $1',
    ],
    ['its log', 'SELECT at, level, code, message FROM run_log WHERE run_id = $1 ORDER BY number'],
  ];
  const facts = questions.map(async ([what, text]) => {
    const rows = await server.query(text, [runId]);
    return `  ${what}: ${rows.map((row) => `\n        ${JSON.stringify(row)}`).join('') || 'nothing'}`;
  });
  const { restoredAt } = server;
  const restored = restoredAt === null ? 'was never restored' : `was restored at ${restoredAt}`;
  return [`  the installation ${restored}`, ...(await Promise.all(facts))];
}

/** What the next run will compare with: every item that is at the target, once, with what it was at the source. */
async function snapshotProblems(
  server: Installation,
  run: RunView,
  rows: readonly ItemRecord[],
): Promise<readonly string[]> {
  const artifacts = new FolderArtifactStore(server.artifacts, systemRandom);
  const record = { runId: run.id, manifestRoot: run.manifestRoot } as RunRecord;
  const index = await loadSnapshotIndex(artifacts, record);
  if (index === null) return ['the run left no snapshot'];
  const problems = index.root === run.manifestRoot ? [] : ['its snapshot is not the one of its manifest'];
  const expected = new Map(
    rows.filter(({ result }) => result === 'copied' || result === 'same').map((row) => [row.key, row.sizeBytes]),
  );
  for (const kind of ['keys', 'mapped'] as const) {
    for await (const row of snapshotRows(artifacts, index, kind, { from: null, to: null })) {
      if (row.carried === true) continue;
      const sizeBytes = expected.get(row.key);
      if (sizeBytes === undefined) problems.push(`${show(row.key)} is in the snapshot twice, or is not at the target`);
      else if (row.source.sizeBytes !== sizeBytes) problems.push(`${show(row.key)} has another size in the snapshot`);
      expected.delete(row.key);
    }
  }
  for (const key of expected.keys()) problems.push(`${show(key)} is not in the snapshot`);
  return problems;
}

/** The same once more has nothing to do, and asks the target for nothing but what is there. */
export function idleProblems(run: RunView): readonly string[] {
  if (run.error !== null) return [`once more, the run is ${run.state} with ${run.error.code}: ${run.error.message}`];
  const { copied = 0, deleted = 0, failed = 0 } = run.counters.items;
  const writes = Object.keys(run.requests.target).filter((kind) => !READING.test(kind));
  return [
    ...(copied + deleted + failed === 0
      ? []
      : [`once more, ${copied} were copied, ${deleted} deleted and ${failed} failed`]),
    ...(writes.length === 0 ? [] : [`once more, the target was asked for ${writes.join(', ')}`]),
  ];
}

interface Left {
  readonly [what: string]: number | boolean;
}

/** Nothing in anybody's hands, and everything told once. */
async function tableProblems(server: Installation, runId: string): Promise<string[]> {
  const [row] = await server.query<Left>(
    `SELECT has_snapshot,
       (SELECT count(*)::integer FROM segments WHERE run_id = $1 AND state <> 'done') AS open,
       (SELECT count(*)::integer FROM segments WHERE run_id = $1 AND lease_until IS NOT NULL) AS leases,
       (SELECT count(*)::integer FROM audit WHERE entity_id = $1 AND action = 'run.start') AS started,
       (SELECT count(*)::integer FROM audit WHERE entity_id = $1 AND action <> 'run.start') AS changed,
       (SELECT count(*)::integer FROM run_log WHERE run_id = $1 AND message LIKE 'The run is complete%') AS ended,
       (SELECT count(*)::integer FROM (SELECT payload FROM outbox UNION ALL SELECT payload FROM deliveries) AS all_told
         WHERE payload->>'runId' = $1) AS told
     FROM runs WHERE id = $1`,
    [runId],
  );
  if (row === undefined) return ['the run is not in the database'];
  const problems: string[] = [];
  const { has_snapshot: hasSnapshot, open, leases, started, changed, ended, told } = row;
  if (hasSnapshot !== true) problems.push('the run left no snapshot');
  if (open !== 0) problems.push(`${open} segments are not done`);
  if (leases !== 0) problems.push(`${leases} segments are still leased`);
  if (started !== 1) problems.push(`the audit log has ${started} starts of the run`);
  if (changed !== 0) problems.push(`the audit log has ${changed} changes of the run by nobody`);
  if (ended !== 1) problems.push(`the run log says ${ended} times that the run is complete`);
  if (told !== 1) problems.push(`${told} messages tell of the end of the run`);
  return problems;
}

/** What may be in no table when all runs have ended. */
export async function quietProblems(server: Installation): Promise<readonly string[]> {
  const runs = await server.query<{ id: string; state: string }>(
    `SELECT id, state FROM runs WHERE ended_at IS NULL
       OR state NOT IN ('succeeded', 'completed-with-issues', 'failed', 'cancelled')`,
  );
  const jobs = await server.query<{ name: string }>(
    `SELECT jobs.name FROM jobs JOIN runs ON runs.id = jobs.last_run_id WHERE jobs.last_state <> runs.state
       OR runs.number <> jobs.runs_made`,
  );
  const connectors = await server.query<{ name: string; health_reason: unknown }>(
    `SELECT name, health_reason FROM connectors WHERE health <> 'healthy'`,
  );
  return [
    ...runs.map(({ id, state }) => `run ${id} is ${state}`),
    ...jobs.map(({ name }) => `the job "${name}" does not know its last run`),
    ...connectors.map(({ name, health_reason: reason }) => `"${name}" needs attention: ${JSON.stringify(reason)}`),
  ];
}

const LAST_WORDS_MS = 15_000;

/** Runs of a backup, against those of the server that it was made of. */
export function restoredProblems(now: readonly RunView[], then: readonly RunView[], madeAtMs: number): string[] {
  const problems: string[] = [];
  const restored = new Map(then.map((run) => [run.id, run]));
  for (const run of now) {
    const old = restored.get(run.id);
    restored.delete(run.id);
    // Whoever was at it says a little later what it cost.
    const endedBefore = run.endedAt !== null && Date.parse(run.endedAt) < madeAtMs - LAST_WORDS_MS;
    const queuedBefore = Date.parse(run.queuedAt) < madeAtMs;
    if (old === undefined) {
      if (queuedBefore) problems.push(`run ${run.id} is not in the backup`);
    } else if (endedBefore && textOf(old) !== textOf(run)) {
      problems.push(`run ${run.id} came back changed:\n      ${textOf(old)}\n      ${textOf(run)}`);
    } else if (old.jobName !== run.jobName || old.number !== run.number) {
      problems.push(`run ${run.id} came back as ${old.number} of "${old.jobName}"`);
    }
  }
  for (const id of restored.keys()) problems.push(`run ${id} is in the backup and nowhere else`);
  return problems;
}

/** `asOf` is the moment of the answer. */
function textOf(run: RunView): string {
  return JSON.stringify({ ...run, asOf: null });
}

/** What that run had journaled of uploads in parts when the backup was made. */
export function journaledUploads(backup: string, runId: string): readonly Journaled[] {
  const lines = gunzipSync(readFileSync(backup)).toString('utf8').split('\n');
  const found: Journaled[] = [];
  let table = '';
  for (const text of lines) {
    if (text === '') continue;
    const line = JSON.parse(text) as string | { readonly table?: string };
    if (typeof line !== 'string') table = line.table ?? table;
    else if (table === 'intents') {
      const [, run, intent] = /^\(?"?([a-z0-9]+)"?,[^,]*,"(.*)"\)?$/s.exec(line) ?? [];
      if (intent === undefined) throw new Error(`This line of a backup cannot be read: ${line}`);
      const unquoted = intent.replaceAll('""', '"').replaceAll('\\\\', '\\');
      if (run === runId) found.push(JSON.parse(unquoted) as Journaled);
    }
  }
  return found;
}
