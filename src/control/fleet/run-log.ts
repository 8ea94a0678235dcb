/**
 * The lines that explain a run. Their number is bounded, whatever the run does: each phase is told once, and what can
 * come again and again only so often.
 */
import { sql } from 'kysely';
import { explanationOf } from '../../model/reasons.ts';
import type { RunLogOwnCode } from '../../model/run-log-codes.ts';
import type { Counters } from '../../model/outcome.ts';
import type { SegmentKind } from '../../engine/ports.ts';
import type { RunLive, RunLogLine, RunSnapshot } from '../entities.ts';
import { inDatabase } from '../runs/database-errors.ts';
import { storable, SUMMED_COUNTERS } from '../runs/store-rows.ts';
import type { Db, Tx } from '../world.ts';
import type { DispatchWorld } from './parts.ts';

/** Lines of one kind in one run; the last one says that it is. */
const OF_A_KIND_MAX = 100;
/** At the end: different codes that are told one by one. */
const CODES_TOLD_MAX = 20;

interface Line {
  readonly level: RunLogLine['level'];
  readonly code: RunLogOwnCode;
  readonly message: string;
}

/** `most` lines of its kind; `kind`: what their codes begin with. Nothing is written to the log of a run that has ended. */
async function write(
  world: DispatchWorld,
  runId: string,
  { level, code, message }: Line,
  {
    kind = code,
    most = OF_A_KIND_MAX,
    isNews = () => true,
  }: {
    readonly kind?: string;
    readonly most?: number;
    /** Asked with the code of the last line of its kind. */
    readonly isNews?: (last: string | null) => boolean;
  } = {},
): Promise<void> {
  const { db, bus, clock, log } = world;
  const at = new Date(clock.now());
  try {
    await inDatabase(() =>
      db.transaction().execute(async (tx) => {
        // Several processes may want to say the same.
        await sql`SELECT pg_advisory_xact_lock(hashtextextended(${`run-log ${runId}`}, 0))`.execute(tx);
        const { rows } = await sql<{ lines: number; last: string | null }>`
          SELECT count(*)::integer AS lines, (array_agg(code ORDER BY number DESC))[1] AS last FROM run_log
          WHERE run_id = ${runId} AND starts_with(code, ${kind})`.execute(tx);
        const { lines = 0, last = null } = rows[0] ?? {};
        if (lines >= most || !isNews(last)) return;
        const isLast = lines === most - 1 && most > 1;
        const words = storable(isLast ? `${message} No more of this is logged.` : message);
        await sql`INSERT INTO run_log (run_id, at, level, code, message)
          SELECT id, ${at}, ${level}, ${code}, ${words} FROM runs WHERE id = ${runId} AND ended_at IS NULL`.execute(tx);
        await bus.tell('run-log', runId, tx);
      }),
    );
  } catch (error) {
    // Nice to have: losing it stops nothing.
    log('warn', 'A line of the run log could not be written.', { run: runId, line: message, error: String(error) });
  }
}

export async function sayJoined(world: DispatchWorld, runId: string, workerId: string): Promise<void> {
  await write(world, runId, {
    level: 'info',
    code: 'WORKER_JOINED',
    message: `${await nameOf(world, workerId)} joins.`,
  });
}

/** Not where the run has ended: then everybody leaves. */
export async function sayLeft(world: DispatchWorld, runId: string, workerId: string): Promise<void> {
  const name = await nameOf(world, workerId);
  await write(world, runId, {
    level: 'info',
    code: 'WORKER_LEFT',
    message: `${name} leaves; others go on from there.`,
  });
}

/** In the log of each run that the worker had joined and not left. */
export async function sayLost(world: DispatchWorld, workerId: string): Promise<void> {
  const { rows } = await inDatabase(() =>
    sql<{ run_id: string }>`SELECT run_id FROM run_workers JOIN runs ON runs.id = run_workers.run_id
      WHERE worker_id = ${workerId}::uuid AND left_at IS NULL AND runs.ended_at IS NULL`.execute(world.db),
  );
  const name = rows.length === 0 ? '' : await nameOf(world, workerId);
  for (const { run_id: runId } of rows) {
    const message = `${name} has fallen silent and is taken for lost; nothing that it had settled is.`;
    await write(world, runId, { level: 'warn', code: 'WORKER_LOST', message });
  }
}

async function nameOf({ db }: DispatchWorld, workerId: string): Promise<string> {
  const { rows } = await inDatabase(() =>
    sql<{ name: string; host: string }>`SELECT name, host FROM workers WHERE id = ${workerId}::uuid`.execute(db),
  ).catch(() => ({ rows: [] }));
  return rows[0] === undefined ? 'A worker' : `${rows[0].name} on ${rows[0].host}`;
}

const PHASES: Readonly<Record<SegmentKind, { readonly code: RunLogOwnCode; readonly message: string }>> = {
  keys: { code: 'LISTING', message: 'Both sides are being listed and compared.' },
  mapped: { code: 'NAMES', message: 'Now come those whose name the target cannot hold.' },
  restores: { code: 'RESTORES', message: 'Now come those that were asked back from an archive.' },
  deletes: { code: 'DELETING', message: 'Now the target loses what the source does not have.' },
  settle: { code: 'SETTLING', message: 'Everything is done; the sums are made, and what was half-made is taken away.' },
};

/** Forgetting costs a question. */
const PHASES_KNOWN_MAX = 10_000;

/** For each claim of a worker: of a run and a phase it asks once whether that was told. */
export function phaseLines(world: DispatchWorld): (runId: string, kind: SegmentKind) => Promise<void> {
  const known = new Set<string>();
  return async (runId, kind) => {
    const name = `${runId} ${kind}`;
    if (known.has(name)) return;
    if (known.size >= PHASES_KNOWN_MAX) known.clear();
    known.add(name);
    // Losing a line stops nothing.
    await sayPhase(world, runId, kind).catch((error: unknown) =>
      world.log('debug', 'A line of the run log was lost.', { run: runId, error: String(error) }),
    );
  };
}

/** A phase begins, so all before it are over. Told once, by whoever comes first. */
async function sayPhase(world: DispatchWorld, runId: string, kind: SegmentKind): Promise<void> {
  if (kind !== 'keys') {
    await sayListed(world, runId);
    const { items, bytes } = await sumsOf(world.db, runId);
    const message = `What has its own name at the target is done: ${objects(items.copied)} transferred, ${size(bytes.copied)}.`;
    await write(world, runId, { level: 'info', code: 'COPIED', message }, { most: 1 });
  }
  // The engine looks whether there are any; where nothing is asked back there are none.
  if (kind === 'restores' && !(await mayRestore(world.db, runId))) return;
  await write(world, runId, { level: 'info', ...PHASES[kind] }, { most: 1 });
}

async function mayRestore(db: Db, runId: string): Promise<boolean> {
  const row = await inDatabase(() =>
    db.selectFrom('runs').select('snapshot').where('id', '=', runId).executeTakeFirst(),
  );
  return row !== undefined && (JSON.parse(row.snapshot) as RunSnapshot).settings.archived !== 'report';
}

export async function sayListed(world: DispatchWorld, runId: string, counters?: Counters): Promise<void> {
  const { items, bytes } = counters ?? (await sumsOf(world.db, runId));
  const message = `Both sides are listed: ${objects(items.scanned)} so far, ${size(bytes.scanned)}.`;
  await write(world, runId, { level: 'info', code: 'LISTED', message }, { most: 1 });
}

async function sumsOf(db: Db, runId: string): Promise<Counters> {
  const { rows } = await inDatabase(() =>
    sql<{ sums: Counters }>`SELECT ${SUMMED_COUNTERS} AS sums FROM segments WHERE run_id = ${runId}`.execute(db),
  );
  return (rows[0] as { readonly sums: Counters }).sums;
}

const NOT_A_LIMIT: readonly RunLive['limitedBy']['kind'][] = ['none', 'listing'];
const NO_MORE = 'LIMITED_NO_MORE';

/** What holds it back, once it has for a while; and once it has not for a while. */
export async function sayLimit(
  world: DispatchWorld,
  runId: string,
  { kind, text, since }: Pick<RunLive['limitedBy'], 'kind' | 'text' | 'since'>,
  now: Date,
): Promise<void> {
  const { limitSaidAfterMs } = world.timing;
  const ageMs = now.getTime() - new Date(since).getTime();
  // Looked at every few seconds: later it has been said.
  if (ageMs < limitSaidAfterMs || ageMs > 2 * limitSaidAfterMs) return;
  const isFree = NOT_A_LIMIT.includes(kind);
  const code = isFree ? NO_MORE : (`LIMITED_${kind.toUpperCase()}` as RunLogOwnCode);
  const message = isFree ? 'Nothing in particular holds it back any more.' : text;
  const isNews = (last: string | null): boolean => (isFree ? last !== null && last !== NO_MORE : last !== code);
  await write(world, runId, { level: 'info', code, message }, { kind: 'LIMITED_', isNews });
}

/** At the end, in its transaction: one line for each code of what did not make it, most first. */
export async function codesOf(
  tx: Tx,
  runId: string,
): Promise<readonly { readonly code: string; readonly message: string }[]> {
  const { rows } = await sql<{ code: string; result: string; items: number }>`
    SELECT code, result, count(*)::integer AS items FROM run_items WHERE run_id = ${runId}
    GROUP BY code, result ORDER BY items DESC, code, result LIMIT ${CODES_TOLD_MAX}`.execute(tx);
  return rows.map(({ code, result, items }) => {
    const words = result === 'unsupported' ? 'cannot be moved:' : 'failed with';
    return { code, message: `${objects(items)} ${words} ${code}. ${explanationOf(code).remedy}` };
  });
}

/** What became of all the objects, in one sentence. */
export function sumsText({ items, bytes, differences }: Counters): string {
  const { missing, different, kept = 0 } = differences;
  const told: readonly [number, string][] = [
    [items.copied, `transferred (${size(bytes.copied)})`],
    [items.same, 'needed no transfer'],
    [items.excluded, 'excluded'],
    [missing, 'missing at the target'],
    [different, 'different'],
    [Math.max(0, items.skipped - missing - different), 'skipped'],
    [items.unsupported, 'unsupported'],
    [items.failed, 'failed'],
    [items.deleted, 'deleted at the target'],
    [kept, 'left at the target below names of the source that are not read'],
  ];
  const parts = told.filter(([count]) => count > 0).map(([count, words]) => `${count.toLocaleString('en')} ${words}`);
  return `${objects(items.scanned)} looked at: ${parts.length === 0 ? 'nothing to do' : parts.join(', ')}.`;
}

function objects(count: number): string {
  return `${count.toLocaleString('en')} ${count === 1 ? 'object' : 'objects'}`;
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const;

function size(bytes: number): string {
  const step = Math.min(UNITS.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)));
  return `${Number((bytes / 1_000 ** step).toPrecision(3))} ${UNITS[step]}`;
}
