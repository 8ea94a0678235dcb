/**
 * Files made from runs. A copy log is streamed when it is downloaded; a report is made in the background by whichever
 * server takes it, and kept with the artifacts until it expires.
 */
import { sql } from 'kysely';
import { createHash } from 'node:crypto';
import { readItems } from '../../engine/item-log.ts';
import { SPOT_CHECK_MAX } from '../../engine/spot-check.ts';
import { loadSnapshotIndex } from '../../engine/snapshot.ts';
import { DroverError, toDroverError } from '../../model/errors.ts';
import { makeAudit } from '../audit.ts';
import type { Actor, Artifact, Run } from '../entities.ts';
import { newId } from '../ids.ts';
import { demand } from '../people/roles.ts';
import { refuseHalfLog } from '../runs/store-aside.ts';
import type { Reports } from '../services.ts';
import type { ControlWorld } from '../world.ts';
import { artifactOf, artifactRow, listArtifacts, removeArtifact } from './artifacts.ts';
import { chosen, toCsv, toNdjsonGz } from './copy-log.ts';
import { sourceToLeave } from './leaving.ts';
import { toManifestGz } from './manifest.ts';
import { publicKeyOf } from './signing.ts';
import { contentName, makeNext, SPOT_CHECK_DEFAULT, type MakingParts, type ReportParameters } from './making.ts';
import { whatCanGo } from './what-can-go.ts';

const FILE_NAMES: Readonly<Record<Artifact['kind'], string>> = {
  'copy-log-csv': 'copy-log.csv',
  'copy-log-ndjson': 'copy-log.ndjson.gz',
  'report-html': 'validation-report.html',
  'report-json': 'validation-report.json',
  manifest: 'manifest.ndjson.gz',
};

/** Read when they are asked for. */
const STREAMED: readonly string[] = ['copy-log-csv', 'copy-log-ndjson', 'manifest'];

export interface ReportsWithWork extends Reports {
  /** Makes what is pending; returns how many. */
  tick(signal: AbortSignal): Promise<number>;
}

export function openReports(world: ControlWorld, parts: MakingParts): ReportsWithWork {
  const { db } = world;
  const work = new ReportWork(world, parts);
  return {
    async list(actor, runId) {
      demand(actor, 'read');
      await parts.runOf(actor, runId);
      const rows = await db
        .selectFrom('artifacts')
        .selectAll()
        .where('run_id', '=', runId)
        .orderBy('created_at', 'desc')
        .orderBy('id', 'desc')
        .execute();
      return rows.map(artifactOf);
    },
    async get(actor, id) {
      demand(actor, 'read');
      return artifactOf(await work.row(id));
    },
    async publicKey(actor) {
      demand(actor, 'read');
      return { publicKey: await publicKeyOf(world) };
    },
    all: (actor, query) => listArtifacts(world, actor, query),
    remove: (actor, id) => removeArtifact(world, actor, id),
    request: (actor, runId, kind, options) => work.request(actor, runId, kind, options),
    download: (actor, id) => work.download(actor, id),
    async whatCanGo(actor, jobId) {
      demand(actor, 'read');
      return whatCanGo(await sourceToLeave(world, jobId));
    },
    retry: (actor, id) => work.retry(actor, id),
    tick: (signal) => makeNext(world, parts, signal),
  };
}

class ReportWork {
  readonly #world: ControlWorld;
  readonly #parts: MakingParts;

  constructor(world: ControlWorld, parts: MakingParts) {
    this.#world = world;
    this.#parts = parts;
  }

  row(id: string) {
    return artifactRow(this.#world.db, id);
  }

  async request(actor: Actor, runId: string, kind: Artifact['kind'], options: ReportParameters): Promise<Artifact> {
    demand(actor, 'report');
    const { db, bus, clock, settings } = this.#world;
    const run = await this.#parts.runOf(actor, runId);
    refuseEarly(run, kind);
    if (!kind.startsWith('copy-log')) await refuseHalfLog(db, run);
    await this.#refuseExpired(runId);
    const spotCheck = options.spotCheck ?? SPOT_CHECK_DEFAULT;
    if (!Number.isInteger(spotCheck) || spotCheck < 0 || spotCheck > SPOT_CHECK_MAX) {
      throw new DroverError('INVALID_INPUT', `Give a whole number from 0 to ${SPOT_CHECK_MAX}.`, {
        field: 'spotCheck',
      });
    }
    const id = newId(this.#world);
    const nowMs = clock.now();
    const parameters = { spotCheck, ...(options.results === undefined ? {} : { results: options.results }) };
    await db.transaction().execute(async (tx) => {
      await tx
        .insertInto('artifacts')
        .values({
          id,
          run_id: runId,
          kind,
          file_name: `run-${run.number}-${FILE_NAMES[kind]}`,
          object_name: `reports/${runId}/${id}`,
          state: STREAMED.includes(kind) ? 'ready' : 'pending',
          parameters: JSON.stringify(parameters),
          created_at: new Date(nowMs),
          created_by: actor.name,
          // By the clock that retention goes by.
          expires_at: sql<Date>`clock_timestamp() + ${settings.artifactRetentionDays} * interval '1 day'`,
        })
        .execute();
      const line = { action: 'artifact.create', entityKind: 'artifact', entityId: id, entityName: FILE_NAMES[kind] };
      await makeAudit(clock)(tx, actor, { ...line, changes: { runId: [null, runId] } });
      await bus.tell('artifact', id, tx);
    });
    return artifactOf(await this.row(id));
  }

  async download(actor: Actor, id: string): Promise<{ artifact: Artifact; content: AsyncIterable<Uint8Array> }> {
    demand(actor, 'read');
    const { artifacts } = this.#world;
    const { store } = this.#parts;
    const row = await this.row(id);
    const artifact = artifactOf(row);
    if (artifact.state !== 'ready') {
      throw new DroverError(
        'WRONG_STATE',
        `"${artifact.fileName}" is ${artifact.state}, so there is nothing to download.`,
      );
    }
    if (STREAMED.includes(row.kind)) await this.#refuseExpired(row.run_id);
    else {
      const content = await artifacts.get(contentName(row.object_name, row.attempts));
      if (content === null)
        throw new DroverError('NOT_FOUND', `"${artifact.fileName}" is gone from the artifact store.`);
      return { artifact, content: once(content) };
    }
    const record = await store.getRun(row.run_id);
    if (record === null) throw new DroverError('ENTITY_NOT_FOUND', 'The run is gone.');
    if (row.kind === 'manifest') {
      const index = await loadSnapshotIndex(artifacts, record);
      if (index === null)
        throw new DroverError('WRONG_STATE', 'This run has no manifest: it has not ended, or it copied nothing.');
      return this.#streamed(row, toManifestGz(index, artifacts));
    }
    const { results } = row.parameters as ReportParameters;
    const items = chosen(readItems(record, { store, artifacts }), results ?? null);
    return this.#streamed(row, row.kind === 'copy-log-csv' ? toCsv(items) : toNdjsonGz(items));
  }

  /**
   * Made as it goes out, so its length is not told before. What it was is kept, to compare a saved file with, once nothing
   * of the run can change any more.
   */
  #streamed(row: Awaited<ReturnType<typeof artifactRow>>, content: AsyncIterable<Uint8Array>) {
    return { artifact: { ...artifactOf(row), sizeBytes: null }, content: this.#counted(row, content) };
  }

  async *#counted(
    { id, run_id: runId, sha256: known }: Awaited<ReturnType<typeof artifactRow>>,
    content: AsyncIterable<Uint8Array>,
  ): AsyncGenerator<Uint8Array> {
    const { db, bus, log } = this.#world;
    const hash = createHash('sha256');
    let sizeBytes = 0;
    for await (const chunk of content) {
      hash.update(chunk);
      sizeBytes += chunk.length;
      yield chunk;
    }
    const sha256 = hash.digest('hex');
    if (sha256 === known) return;
    try {
      const kept = await db
        .updateTable('artifacts')
        .set({ size_bytes: sizeBytes, sha256 })
        .where('id', '=', id)
        .where(
          sql<boolean>`EXISTS (SELECT FROM runs WHERE id = ${runId} AND state IN ('succeeded', 'completed-with-issues'))`,
        )
        .executeTakeFirst();
      if (kept.numUpdatedRows > 0n) await bus.tell('artifact', id);
    } catch (thrown) {
      log('warn', 'What a file was could not be kept.', { artifactId: id, reason: toDroverError(thrown).message });
    }
  }

  /** An empty log would be taken for one in which nothing happened. */
  async #refuseExpired(runId: string): Promise<void> {
    const { db } = this.#world;
    const run = await db.selectFrom('runs').select('logs_expired').where('id', '=', runId).executeTakeFirst();
    if (run?.logs_expired !== true) return;
    throw new DroverError('WRONG_STATE', 'The logs of this run have reached their age and are gone.', {
      remedy:
        'Files that were downloaded before stay as they are; DROVER_ARTIFACT_RETENTION_DAYS says how long logs are kept.',
    });
  }

  async retry(actor: Actor, id: string): Promise<Artifact> {
    demand(actor, 'report');
    const { db, bus, clock } = this.#world;
    const { file_name: name } = await this.row(id);
    await db.transaction().execute(async (tx) => {
      const again = await tx
        .updateTable('artifacts')
        .set({ state: 'pending', attempts: 0, error: null, taken_until: null })
        .where('id', '=', id)
        .where('state', '=', 'failed')
        .returning('id')
        .executeTakeFirst();
      if (again === undefined) {
        throw new DroverError('WRONG_STATE', `"${name}" has not failed, so there is nothing to try again.`);
      }
      const line = { action: 'artifact.retry', entityKind: 'artifact', entityId: id, entityName: name };
      await makeAudit(clock)(tx, actor, line);
      await bus.tell('artifact', id, tx);
    });
    return artifactOf(await this.row(id));
  }
}

function refuseEarly(run: Run, kind: Artifact['kind']): void {
  if (kind === 'manifest' && run.endedAt !== null && run.manifestRoot === null) {
    throw new DroverError(
      'WRONG_STATE',
      `Run ${run.number} has no manifest: it compared, repeated some, or did not end well.`,
      {
        remedy: 'Ask for the manifest of the transfer before it; the validation report names that run.',
      },
    );
  }
  if (run.endedAt !== null || kind.startsWith('copy-log')) return;
  throw new DroverError('WRONG_STATE', `Run ${run.number} has not ended, so it cannot be reported on.`, {
    remedy: 'Wait for its end; the copy log can be downloaded at any time.',
  });
}

async function* once(content: Uint8Array): AsyncGenerator<Uint8Array> {
  yield content;
}
