/** What the server moves while it is killed: pairs of places, each as two jobs, one that merges and one that mirrors. */
import { mkdirSync, readdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { AzureAccess, AzureStore, S3Access, S3Store } from '../../demo/stores.ts';
import type { Api, Made } from './server-api.ts';
import { azureTarget, bucketTarget, folderTarget, show, type SoakTarget } from './targets.ts';
import { Tree, type TreeSize } from './tree.ts';

export type RouteName =
  'folder-to-bucket' | 'bucket-to-folder' | 'bucket-to-bucket' | 'bucket-to-container' | 'folders';

export interface Source {
  readonly tree: Tree;
  /** Sentences about what is not as it was planted: nobody may change a source. */
  problems(): Promise<readonly string[]>;
  remove(): Promise<void>;
}

export interface Route {
  readonly name: RouteName;
  readonly source: Source;
  readonly target: SoakTarget;
  readonly jobs: { readonly merge: string; readonly mirror: string };
}

export interface RoutePlan {
  readonly names: readonly RouteName[];
  readonly api: Api;
  /** For sources and targets. */
  readonly folder: string;
  /** In front of the names of buckets and containers. */
  readonly prefix: string;
  readonly size: TreeSize;
  /** Of each job, so that runs last long enough to be hit. */
  readonly bytesPerSecond: number;
  readonly s3: { readonly store: S3Store; readonly access: S3Access };
  /** Needed for `bucket-to-container` only. */
  readonly azure: { readonly store: AzureStore; readonly access: AzureAccess } | null;
}

type Kind = 'folder' | 'bucket' | 'container';

const ENDS: Readonly<Record<RouteName, readonly [source: Kind, target: Kind]>> = {
  'folder-to-bucket': ['folder', 'bucket'],
  'bucket-to-folder': ['bucket', 'folder'],
  'bucket-to-bucket': ['bucket', 'bucket'],
  'bucket-to-container': ['bucket', 'container'],
  folders: ['folder', 'folder'],
};

/** Connectors, endpoints, jobs; sources that are planted, and targets that hold what is not ours. */
export async function makeRoutes(plan: RoutePlan): Promise<readonly Route[]> {
  const { api } = plan;
  const connectors = await makeConnectors(plan);
  const project = await api.once<Made>('POST', '/projects', { name: 'Soak' });
  const endpoint = (kind: 'source' | 'target', end: Kind, container: string): Promise<Made> =>
    api.once('POST', '/endpoints', { kind, connectorId: connectors[end], place: { container, prefix: '' } });
  const sources = new Map<Kind, { readonly source: Source; readonly endpointId: string }>();
  for (const kind of new Set(plan.names.map((name) => ENDS[name][0]))) {
    const { source, container } = await makeSource(plan, kind);
    sources.set(kind, { source, endpointId: (await endpoint('source', kind, container)).id });
  }
  const routes: Route[] = [];
  for (const name of plan.names) {
    const [from, to] = ENDS[name];
    const { source, endpointId } = sources.get(from) as { source: Source; endpointId: string };
    const { target, container } = makeTarget(plan, name, to);
    await target.plantForeign();
    const targetId = (await endpoint('target', to, container)).id;
    // One for all of them would be one limit for all.
    const rules = [{ day: null, minuteOfDay: 0, bytesPerSecond: plan.bytesPerSecond }];
    const timetable = await api.once<Made>('POST', '/timetables', {
      name: `Slow ${name}`,
      timetable: { timeZone: 'UTC', rules },
    });
    const job = async (mode: 'merge' | 'mirror'): Promise<string> => {
      const made = await api.once<Made>('POST', `/projects/${project.id}/jobs`, {
        name: `${name} ${mode}`,
        sourceEndpointId: endpointId,
        targetEndpointId: targetId,
        // What a store copies by itself does not pass by us, and is not slowed.
        settings: { mode, serverSide: 'never' },
        tuning: { timetableId: timetable.id },
      });
      return made.id;
    };
    routes.push({ name, source, target, jobs: { merge: await job('merge'), mirror: await job('mirror') } });
  }
  return routes;
}

export async function removeRoutes(routes: readonly Route[]): Promise<void> {
  for (const { target } of routes) await target.remove();
  for (const source of new Set(routes.map((route) => route.source))) await source.remove();
}

async function makeConnectors({ api, folder, s3, azure }: RoutePlan): Promise<Readonly<Record<Kind, string>>> {
  mkdirSync(folder, { recursive: true });
  const connector = async (provider: string, name: string, config: unknown): Promise<string> =>
    (await api.once<Made>('POST', '/connectors', { provider, name, config })).id;
  const { endpoint, accessKeyId, secretAccessKey } = s3.access;
  const s3Config = { endpoint, accessKeyId, secretAccessKey, region: 'us-east-1', pathStyle: true };
  return {
    folder: await connector('local', 'Folders', { root: folder }),
    bucket: await connector('s3', 'Buckets', s3Config),
    container: azure === null ? '' : await connector('azure-blob', 'Containers', { ...azure.access }),
  };
}

async function makeSource(
  plan: RoutePlan,
  kind: Kind,
): Promise<{ readonly source: Source; readonly container: string }> {
  const { prefix, size } = plan;
  const { store } = plan.s3;
  if (kind === 'folder') {
    const folder = join(plan.folder, 'source');
    const tree = new Tree(new FolderStore(), folder);
    await tree.plant(size);
    const target = folderTarget(folder);
    const remove = async (): Promise<void> => rmSync(folder, { recursive: true, force: true });
    return { source: { tree, problems: () => changed(tree, target), remove }, container: folder };
  }
  const bucket = `${prefix}-source`;
  await store.makeContainer(bucket);
  const tree = new Tree(store, bucket);
  await tree.plant(size);
  const target = bucketTarget(store, 'source', bucket, []);
  return {
    source: { tree, problems: () => changed(tree, target), remove: () => store.removeContainer(bucket) },
    container: bucket,
  };
}

function makeTarget({ prefix, folder, s3, azure }: RoutePlan, name: RouteName, kind: Kind) {
  const container = kind === 'folder' ? join(folder, `target-${name}`) : `${prefix}-${name}`;
  if (kind === 'folder') return { target: folderTarget(container), container };
  if (kind === 'bucket') return { target: bucketTarget(s3.store, name, container, []), container };
  if (azure === null) throw new Error('There is no Azure account to copy to.');
  return { target: azureTarget(azure.store, container), container };
}

/** By names: what the objects hold is compared with what came to the target. */
async function changed(tree: Tree, place: Pick<SoakTarget, 'list'>): Promise<readonly string[]> {
  const there = new Set(await place.list());
  return [
    ...tree.keys.filter((key) => !there.has(key)).map((key) => `${show(key)} is gone from the source`),
    ...[...there].filter((key) => !tree.keys.includes(key)).map((key) => `${show(key)} was put into the source`),
  ];
}

/** A folder that takes objects as a bucket does. */
class FolderStore {
  async put(folder: string, key: string, content: Uint8Array): Promise<void> {
    if (!/^(small|large)\//.test(key)) throw new Error('The store answered 400: this is no name for a file.');
    const path = join(folder, key);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  }

  putInParts(folder: string, key: string, content: Uint8Array): Promise<void> {
    return this.put(folder, key, content);
  }

  async remove(folder: string, key: string): Promise<void> {
    rmSync(join(folder, key));
    // A bucket has no empty folders; here they would be something to copy.
    for (let at = dirname(key); at !== '.' && readdirSync(join(folder, at)).length === 0; at = dirname(at)) {
      rmdirSync(join(folder, at));
    }
  }
}
