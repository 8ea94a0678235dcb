/** Sample data: something to move before anybody has an account at hand, and gone again with one word. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DroverError } from '../../model/errors.ts';
import type { Actor, Sample } from '../entities.ts';
import { demand } from '../people/roles.ts';
import { isoOf } from '../rows.ts';
import type { Connectors, Endpoints, Jobs, Projects, Samples } from '../services.ts';
import type { ControlWorld } from '../world.ts';
import { samplesFolder } from './folder.ts';
import { growTree } from './tree.ts';

export interface SampleParts {
  readonly connectors: Pick<Connectors, 'authorize' | 'remove' | 'usedBy'>;
  readonly endpoints: Pick<Endpoints, 'create' | 'remove'>;
  readonly projects: Pick<Projects, 'create' | 'remove' | 'removal'>;
  readonly jobs: Pick<Jobs, 'create'>;
}

const NAMES_MAX = 20;

interface SampleRow {
  readonly made_at: Date;
  readonly files: number;
  readonly connector_id: string | null;
  readonly source_endpoint_id: string | null;
  readonly target_endpoint_id: string | null;
  readonly project_id: string | null;
  readonly job_id: string | null;
}

export function openSamples(world: ControlWorld, parts: SampleParts): Samples {
  const { db } = world;
  const folder = samplesFolder(world.settings.dataDir);
  const find = (): Promise<SampleRow | undefined> => db.selectFrom('samples').selectAll().executeTakeFirst();
  return {
    async get(actor) {
      demand(actor, 'read');
      return { sample: sampleOf(await find(), folder) };
    },
    async create(actor, signal) {
      demand(actor, 'connector-change');
      demand(actor, 'define');
      const begun = await db
        .insertInto('samples')
        .values({ made_at: new Date(world.clock.now()), files: 0 })
        .onConflict((conflict) => conflict.doNothing())
        .returning('made_at')
        .executeTakeFirst();
      if (begun === undefined) {
        throw new DroverError('ALREADY_EXISTS', 'There is sample data already.', {
          remedy: 'Use it, or remove it first: "drover sample remove", or DELETE /samples.',
        });
      }
      try {
        await make(world, parts, actor, folder, signal);
      } catch (thrown) {
        await take(world, parts, actor, folder).catch(() => undefined);
        throw thrown;
      }
      return { sample: sampleOf(await find(), folder) };
    },
    async remove(actor) {
      demand(actor, 'connector-change');
      demand(actor, 'define');
      await take(world, parts, actor, folder);
    },
  };
}

/** What is made is written down at once, so that whatever happens `take` finds it. */
async function make(
  world: ControlWorld,
  { connectors, endpoints, projects, jobs }: SampleParts,
  actor: Actor,
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  const keep = (values: Partial<Omit<SampleRow, 'made_at'>>): Promise<unknown> =>
    world.db.updateTable('samples').set(values).execute();
  const source = join(folder, 'source');
  await mkdir(join(folder, 'target'), { recursive: true });
  await mkdir(source, { recursive: true });
  await keep({ files: await growTree(source) });
  const config = { root: folder };
  const tags = { sample: 'drover' };
  const connector = await firstFree('Sample data', (name) =>
    connectors.authorize(actor, { name, provider: 'local', config, tags }),
  );
  await keep({ connector_id: connector.id });
  const description = 'Sample data of Drover; removed with it.';
  const endpoint = async (kind: 'source' | 'target'): Promise<string> => {
    const place = { container: join(folder, kind), prefix: '' };
    const input = { kind, connectorId: connector.id, place, description };
    const { id } = await firstFree(`Sample ${kind}`, (name) => endpoints.create(actor, { ...input, name }, signal));
    await keep({ [`${kind}_endpoint_id`]: id });
    return id;
  };
  const sourceEndpointId = await endpoint('source');
  const targetEndpointId = await endpoint('target');
  const project = await firstFree('Sample data', (name) => projects.create(actor, { name, description }));
  await keep({ project_id: project.id });
  const job = await jobs.create(actor, project.id, { name: 'Copy', description, sourceEndpointId, targetEndpointId });
  await keep({ job_id: job.id });
}

/** `Sample data`, `Sample data 2`, …: somebody may have that name already. */
async function firstFree<T>(wanted: string, create: (name: string) => Promise<T>): Promise<T> {
  for (let number = 1; ; number++) {
    try {
      return await create(number === 1 ? wanted : `${wanted} ${number}`);
    } catch (thrown) {
      const isTaken = thrown instanceof DroverError && thrown.code === 'ALREADY_EXISTS' && thrown.field === 'name';
      if (!isTaken || number === NAMES_MAX) throw thrown;
    }
  }
}

/** Looks first whether anything of somebody's own would go along. What is gone already is no obstacle. */
async function take(world: ControlWorld, parts: SampleParts, actor: Actor, folder: string): Promise<void> {
  const { db } = world;
  const { connectors, endpoints, projects } = parts;
  const row = await db.selectFrom('samples').selectAll().executeTakeFirst();
  if (row === undefined) {
    throw new DroverError('ENTITY_NOT_FOUND', 'There is no sample data.', { remedy: 'Nothing has to be removed.' });
  }
  await refuseOwn(parts, actor, row);
  if (row.project_id !== null) {
    const { jobs } = await projects.removal(actor, row.project_id);
    await projects.remove(actor, row.project_id, null, jobs);
  }
  for (const id of [row.source_endpoint_id, row.target_endpoint_id]) {
    if (id !== null) await endpoints.remove(actor, id, null);
  }
  if (row.connector_id !== null) await connectors.remove(actor, row.connector_id, null);
  await rm(folder, { recursive: true, force: true });
  await db.deleteFrom('samples').execute();
}

async function refuseOwn({ connectors, projects }: SampleParts, actor: Actor, row: SampleRow): Promise<void> {
  const own = new Set([row.source_endpoint_id, row.target_endpoint_id, row.job_id]);
  const used =
    row.connector_id === null ? { endpoints: [], jobs: [] } : await connectors.usedBy(actor, row.connector_id);
  const names = [...used.endpoints, ...used.jobs].filter(({ id }) => !own.has(id)).map(({ name }) => `"${name}"`);
  if (row.project_id !== null) {
    const { jobs } = await projects.removal(actor, row.project_id);
    if (names.length === 0 && jobs > (row.job_id === null ? 0 : 1)) names.push('another job in its project');
  }
  if (names.length === 0) return;
  throw new DroverError('IN_USE', `The sample data is used by ${names.join(', ')}.`, {
    remedy: 'Remove what you made with it first, then the sample data.',
  });
}

function sampleOf(row: SampleRow | undefined, folder: string): Sample | null {
  if (row === undefined) return null;
  return {
    createdAt: isoOf(row.made_at),
    folder,
    files: row.files,
    connectorId: row.connector_id,
    sourceEndpointId: row.source_endpoint_id,
    targetEndpointId: row.target_endpoint_id,
    projectId: row.project_id,
    jobId: row.job_id,
  };
}
