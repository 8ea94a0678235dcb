/** What the tests of runs and workers stand on: connectors, endpoints, a job, and runs of it, as rows. */
import { sql } from 'kysely';
import type { Config } from '../../src/contract/fields.ts';
import type { Actor } from '../../src/control/entities.ts';
import type { PlacedRun } from '../../src/control/fleet/placing.ts';
import { newId } from '../../src/control/ids.ts';
import type { ControlWorld, OpenConnector } from '../../src/control/world.ts';
import { defineTransfer } from '../../src/engine/transfer.ts';
import { DroverError } from '../../src/model/errors.ts';
import { DEFAULT_POLICY, type Policy } from '../../src/model/policy.ts';

type RowWorld = Pick<ControlWorld, 'db' | 'clock' | 'random'>;

const STAMP = sql`now(), 'test', now()`;

export const PERSON: Actor = {
  kind: 'person',
  personId: '01920000-0000-7000-8000-000000000001',
  tokenId: null,
  name: 'Some operator',
  role: 'operator',
  address: null,
};

export async function makeConnector(
  world: RowWorld,
  input: { provider: string; config: Config; fingerprint: string; limits?: object },
): Promise<string> {
  const id = newId(world);
  const limits = input.limits ?? { requestsPerSecond: null, transfersMax: null };
  await sql`INSERT INTO connectors (id, created_at, created_by, updated_at, name, provider, config, fingerprint, limits, health)
    VALUES (${id}, ${STAMP}, ${`${input.provider} ${id.slice(-6)}`}, ${input.provider},
      ${JSON.stringify(input.config)}::jsonb, ${input.fingerprint}, ${JSON.stringify(limits)}::jsonb, 'healthy')`.execute(
    world.db,
  );
  return id;
}

export interface MadeEnd {
  readonly connectorId: string;
  readonly container: string;
  readonly prefix?: string;
}

export interface MadeJob {
  readonly jobId: string;
  readonly projectId: string;
  readonly source: MadeEnd;
  readonly target: MadeEnd;
}

export async function makeJob(
  world: RowWorld,
  source: MadeEnd,
  target: MadeEnd,
  settings: Partial<Policy> = {},
): Promise<MadeJob> {
  const [projectId, jobId] = [newId(world), newId(world)];
  await sql`INSERT INTO projects (id, created_at, created_by, updated_at, name)
    VALUES (${projectId}, ${STAMP}, ${`project ${projectId}`})`.execute(world.db);
  const ends: string[] = [];
  for (const [kind, end] of [
    ['source', source],
    ['target', target],
  ] as const) {
    const id = newId(world);
    const place = JSON.stringify({ container: end.container, prefix: end.prefix ?? '' });
    const { rows } = await sql<{ id: string }>`
      INSERT INTO endpoints (id, created_at, created_by, updated_at, name, kind, connector_id, place, full_path)
      VALUES (${id}, ${STAMP}, ${`${kind} ${id}`}, ${kind}, ${end.connectorId}, ${place},
        ${`memory://${end.container}/${end.prefix ?? ''}`})
      ON CONFLICT (kind, connector_id, place) DO UPDATE SET name = endpoints.name RETURNING id`.execute(world.db);
    ends.push(rows[0]!.id);
  }
  const { dryRun: _dry, oneWay: _one, ...kept } = { ...DEFAULT_POLICY, ...settings };
  await sql`INSERT INTO jobs (id, created_at, created_by, updated_at, project_id, name, type,
      source_endpoint_id, source_sub_path, source_full_path, target_endpoint_id, target_sub_path, target_full_path, settings)
    VALUES (${jobId}, ${STAMP}, ${projectId}, ${`job ${jobId}`}, 'cloud-to-cloud', ${ends[0]}, '',
      ${`memory://${source.container}/`}, ${ends[1]}, '', ${`memory://${target.container}/`},
      ${JSON.stringify(kept)})`.execute(world.db);
  return { jobId, projectId, source, target };
}

let runNumber = 0;

/** A run in any state, without the service: for tests of the state alone. */
export async function makeRunRow(
  world: RowWorld,
  job: MadeJob,
  runId: string,
  change: {
    state?: string;
    transferId?: string;
    pairId?: string;
    kind?: string;
    policy?: Partial<Policy>;
    queuedAtMs?: number;
    manifestRoot?: string;
    targetPrefix?: string;
  } = {},
): Promise<void> {
  const end = { connector: 'a', provider: 'memory', fingerprint: 'f', label: 'a:b', only: null };
  const made = defineTransfer({
    command: 'copy',
    source: { ...end, place: { container: 's', prefix: '' } },
    target: { ...end, place: { container: 't', prefix: '' } },
    policy: { ...DEFAULT_POLICY, ...change.policy },
    concessions: [],
  });
  const definition = {
    ...made,
    transferId: change.transferId ?? made.transferId,
    pairId: change.pairId ?? made.pairId,
  };
  const queuedAt = new Date(change.queuedAtMs ?? world.clock.now());
  const root = change.manifestRoot ?? null;
  const kind = change.kind ?? 'transfer';
  runNumber += 1;
  await sql`INSERT INTO runs (id, job_id, project_id, number, kind, trigger, created_by, transfer_id, pair_id, definition,
      snapshot, source_connector_id, target_connector_id, source_path, target_path, target_fingerprint, target_container,
      target_prefix, state, queued_at, started_at, updated_at, counters, requests, manifest_root, has_snapshot)
    VALUES (${runId}, ${job.jobId}, ${job.projectId}, ${runNumber}, ${kind}, 'person', 'test', ${definition.transferId},
      ${definition.pairId}, ${JSON.stringify(definition)}, '{}', ${job.source.connectorId}, ${job.target.connectorId},
      's', 't', 'f', 't', ${change.targetPrefix ?? ''}, ${change.state ?? 'running'}, ${queuedAt}, ${queuedAt}, now(),
      '{}', '{"source":{},"target":{}}', ${root}, ${root !== null && kind === 'transfer'})`.execute(world.db);
}

/** Signs in with what the row says; nothing is sealed in these tests. */
export function rowOpener(world: ControlWorld): OpenConnector {
  return async (connectorId, openTransport) => {
    const { rows } = await sql<{ name: string; provider: string; config: Config; version: number }>`
      SELECT name, provider, config, version FROM connectors WHERE id = ${connectorId}`.execute(world.db);
    const row = rows[0];
    const provider = row === undefined ? undefined : world.providers.get(row.provider);
    if (row === undefined || provider === undefined) throw new DroverError('ENTITY_NOT_FOUND', 'No such connector.');
    const { clock, random, log } = world;
    const account = await provider.open(row.config, {
      openTransport,
      clock,
      random,
      log,
      environment: {},
      saveAccount: async () => undefined,
    });
    return { account, provider, name: row.name, config: row.config, version: row.version };
  };
}

/** A run as the queue looks at it. */
export function placedRun(change: Partial<PlacedRun> & Pick<PlacedRun, 'id'>): PlacedRun {
  return {
    number: 1,
    job: 'j',
    state: 'queued',
    source_connector_id: 'a',
    target_connector_id: 'b',
    target_fingerprint: 'f',
    target_container: 'c',
    target_prefix: `${change.id}/`,
    waits: null,
    workers: 0,
    waited_ms: 0,
    is_held_back: false,
    held_back_by: null,
    ...change,
  };
}
