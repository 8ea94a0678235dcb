import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { connectorOpener } from '../connectors/open.ts';
import { openConnectors, type ConnectorService } from '../connectors/service.ts';
import { azureBlob } from '../../providers/azure-blob/provider.ts';
import { local } from '../../providers/local/provider.ts';
import { createMemoryProvider, MemoryStore } from '../../providers/memory/provider.ts';
import { createAzureService } from '../../sim/azure-service.ts';
import { simTransport } from '../../sim/transport.ts';
import { seededRandom } from '../../sim/world.ts';
import { systemClock } from '../../lib/system.ts';
import type { Actor, Endpoint } from '../entities.ts';
import { newId } from '../ids.ts';
import type { Account, Place, Target } from '../../contract/provider.ts';
import { DroverError } from '../../model/errors.ts';
import type { OpenConnector } from '../world.ts';
import type { Endpoints } from '../services.ts';
import { openTestWorld, type TestWorld } from '../testing.ts';
import { openEndpoints } from './service.ts';

const { signal } = new AbortController();
const KEY = Buffer.alloc(64, 7).toString('base64');

let store: MemoryStore;
let world: TestWorld;
let connectors: ConnectorService;
let endpoints: Endpoints;
let admin: Actor;
let operator: Actor;
let viewer: Actor;
let connectorId: string;

beforeAll(async () => {
  store = new MemoryStore({}, 'shelf');
  store.ensure('photos');
  const azure = createAzureService({
    clock: systemClock,
    random: seededRandom(1),
    accountName: 'contosodata',
    accountKey: KEY,
  });
  azure.createContainer('archive');
  world = await openTestWorld({
    providers: [createMemoryProvider(store), local, azureBlob],
    openTransport: simTransport(() => azure),
  });
  connectors = openConnectors(world);
  endpoints = openEndpoints(world, connectorOpener(world));
  [admin, operator, viewer] = [world.as('admin'), world.as('operator'), world.as('viewer')];
});
afterAll(() => world.close());
beforeEach(async () => {
  for (const table of ['jobs', 'projects', 'endpoints', 'connectors'] as const) {
    await world.db.deleteFrom(table).execute();
  }
  connectorId = (await connectors.authorize(admin, { provider: 'memory', config: { store: 'shelf' } })).id;
});

const photos = { container: 'photos', prefix: '2019' };
const make = (more: Partial<Parameters<Endpoints['create']>[1]> = {}): Promise<Endpoint> =>
  endpoints.create(operator, { kind: 'source', connectorId, place: photos, ...more }, signal);

describe('making endpoints', () => {
  test('shows the whole path, finds a name, and keeps what a target honours', async () => {
    const source = await make({ description: 'Old pictures' });
    expect(source).toMatchObject({
      name: 'photos/2019',
      kind: 'source',
      place: { container: 'photos', prefix: '2019/' },
      fullPath: 'memory://photos/2019/',
      description: 'Old pictures',
      facts: null,
      connectorName: 'Memory',
      usedBy: { jobs: 0 },
    });
    const target = await make({ kind: 'target' });
    expect(target.name).toBe('photos/2019 2');
    expect(target.facts).toMatchObject({ createOnly: 'honoured' });
    expect(store.keys('photos')).toEqual([]);
  });

  test('a place that is read by one and written by another is allowed, and said', async () => {
    const source = await make({ name: 'Old' });
    expect(source.warnings).toBeUndefined();
    expect((await make({ kind: 'target', place: { container: 'photos', prefix: '2020' } })).warnings).toBeUndefined();
    // Also where another connector leads to the same account.
    const twin = await connectors.authorize(admin, { name: 'Twin', provider: 'memory', config: { store: 'shelf' } });
    const target = await make({ kind: 'target', connectorId: twin.id });
    expect(target.warnings).toEqual([expect.stringMatching(/memory:\/\/photos\/2019\/ is also the source "Old"/)]);
    expect((await endpoints.get(viewer, target.id)).warnings).toBeUndefined();
    const again = await make({ place: { container: 'photos', prefix: '2020' } });
    expect(again.warnings?.[0]).toContain('is also the target');
  });

  test('a place that is not there is refused at its field', async () => {
    for (const kind of ['source', 'target'] as const) {
      await expect(make({ kind, place: { container: 'absent', prefix: '' } })).rejects.toMatchObject({
        code: 'PLACE_NOT_FOUND',
        field: 'place.container',
      });
    }
    expect((await endpoints.list(viewer, {})).items).toEqual([]);
  });

  test('the same place of the same kind is refused, however its slash is written; a taken name at its field', async () => {
    await make({ name: 'Pictures' });
    const again = make({ place: { container: 'photos', prefix: '2019/' } });
    await expect(again).rejects.toMatchObject({
      code: 'ALREADY_EXISTS',
      field: 'place',
      message: expect.stringContaining('"Pictures"'),
      remedy: expect.stringContaining('Use "Pictures"'),
    });
    const other = make({ name: 'PICTURES', place: { container: 'photos', prefix: '2020/' } });
    await expect(other).rejects.toMatchObject({ code: 'ALREADY_EXISTS', field: 'name' });
  });

  test.each([
    [{ description: 'x'.repeat(1_025) }, 'description', 'INVALID_INPUT'],
    [{ place: { container: '', prefix: '' } }, 'place.container', 'INVALID_INPUT'],
    [{ kind: 'both' as never }, 'kind', 'INVALID_INPUT'],
    [{ connectorId: 'nonsense' }, null, 'ENTITY_NOT_FOUND'],
  ])('%j is refused at %s', async (change, field, code) => {
    await expect(make(change)).rejects.toMatchObject({ code, field });
  });

  test('a target of a connector that was set up to read only is warned about', async () => {
    const permit = (permission: string) =>
      world.db
        .updateTable('connectors')
        .set({ cloud: JSON.stringify({ permission, solutions: ['inventory', 'storage-data-management'] }) })
        .where('id', '=', connectorId)
        .execute();
    await permit('read');
    const words = expect.stringContaining('was set up to read only, so writing here will be refused');
    expect((await make({ kind: 'target', name: 'Refused' })).warnings).toEqual([words]);
    expect((await make({ kind: 'source', place: { container: 'photos', prefix: 'x' } })).warnings).toBeUndefined();
    await permit('read-write');
    const fine = await make({ kind: 'target', place: { container: 'photos', prefix: 'y' } });
    expect(fine.warnings).toBeUndefined();
  });

  test.each([
    ['/2019', '2019/', 1],
    ['2019//march', '2019//march/', 1],
    ['../..', '../../', 1],
    ['2019/', '2019/', 0],
  ])('a path typed as %s is %s, and an odd one is warned about', async (prefix, kept, warnings) => {
    const made = await make({ place: { container: 'photos', prefix } });
    expect(made).toMatchObject({ place: { prefix: kept }, fullPath: `memory://photos/${kept}` });
    expect(made.warnings ?? []).toHaveLength(warnings);
  });

  test('Azure shows the address of the blob service', async () => {
    const config = { accountName: 'contosodata', accountKey: KEY };
    const { id } = await connectors.authorize(admin, { provider: 'azure-blob', config });
    const target = await make({ connectorId: id, kind: 'target', place: { container: 'archive', prefix: 'in/' } });
    expect(target.fullPath).toBe('https://contosodata.blob.core.windows.net/archive/in/');
    expect(target.facts).not.toBeNull();
  });

  test('a target that may not be written to yet is saved without facts', async () => {
    const refusing: OpenConnector = async (id, openTransport) => {
      const opened = await connectorOpener(world)(id, openTransport);
      const target = async (...given: Parameters<Account['target']>): Promise<Target> => {
        const observe = () => Promise.reject(new DroverError('PERMISSION_DENIED', 'Writing is not allowed.'));
        return Object.assign(await opened.account.target(...given), { observe });
      };
      const identify = (place: Place) => opened.account.identify(place);
      const account = { target, identify, [Symbol.asyncDispose]: () => opened.account[Symbol.asyncDispose]() };
      return { ...opened, account: account as unknown as Account };
    };
    const input = { kind: 'target', connectorId, place: photos } as const;
    expect((await openEndpoints(world, refusing).create(operator, input, signal)).facts).toBeNull();
  });
});

describe('afterwards', () => {
  test('only the description changes; anything else is refused with the reason', async () => {
    const { id } = await make();
    const after = await endpoints.update(operator, id, 1, { description: 'New words' });
    expect(after).toMatchObject({ description: 'New words', version: 2 });
    const moved = endpoints.update(operator, id, 2, { description: '', place: photos } as never);
    await expect(moved).rejects.toMatchObject({ code: 'FIXED_FIELD', field: 'place' });
    await expect(endpoints.update(operator, id, 1, { description: 'x' })).rejects.toMatchObject({
      code: 'EDIT_CONFLICT',
    });
    await expect(endpoints.update(viewer, id, 2, { description: 'x' })).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });

  test('removal is refused while jobs use it, naming them', async () => {
    const source = await make();
    const target = await make({ kind: 'target' });
    const projectId = newId(world);
    const kept = { created_at: new Date(), created_by: 'x', updated_at: new Date() };
    await world.db
      .insertInto('projects')
      .values({ id: projectId, ...kept, name: 'Move' })
      .execute();
    const ends = { source_full_path: '', source_sub_path: '', target_full_path: '', target_sub_path: '' };
    const jobs = Array.from({ length: 7 }, (_, i) => ({
      id: newId(world),
      ...kept,
      ...ends,
      project_id: projectId,
      name: `Job ${i}`,
      type: 'cloud-to-cloud',
      settings: '{}',
      source_endpoint_id: source.id,
      target_endpoint_id: target.id,
    }));
    await world.db.insertInto('jobs').values(jobs).execute();
    await expect(endpoints.remove(operator, target.id, null)).rejects.toMatchObject({
      code: 'IN_USE',
      message:
        'The endpoint "photos/2019 2" is used by the jobs "Job 0", "Job 1", "Job 2", "Job 3", "Job 4" and 2 more.',
    });
    expect((await endpoints.get(viewer, source.id)).usedBy).toEqual({ jobs: 7 });
    expect((await connectors.get(viewer, connectorId)).usedBy).toEqual({ endpoints: 2, jobs: 7 });
    expect((await connectors.usedBy(viewer, connectorId)).jobs[0]).toMatchObject({
      name: 'Job 0',
      projectName: 'Move',
    });
    await world.db.deleteFrom('jobs').execute();
    await endpoints.remove(operator, target.id, null);
    await expect(endpoints.get(viewer, target.id)).rejects.toMatchObject({ code: 'ENTITY_NOT_FOUND' });
  });

  test('lists filter by kind and connector, and search in names and paths', async () => {
    await make();
    await make({ kind: 'target', place: { container: 'photos', prefix: 'new/' } });
    const names = async (query: Parameters<Endpoints['list']>[1]): Promise<string[]> =>
      (await endpoints.list(viewer, query)).items.map(({ name }) => name);
    expect(await names({ filter: { kind: ['target'] } })).toEqual(['photos/new']);
    expect(await names({ filter: { connectorId: [connectorId] }, search: '2019' })).toEqual(['photos/2019']);
    expect(await names({ filter: { connectorId: ['nonsense'] } })).toEqual([]);
  });
});

describe('folders of the server', () => {
  const authorize = (root: string | undefined, settings: Partial<TestWorld['settings']> = {}) => {
    const config = root === undefined ? {} : { root };
    const here = { ...world, settings: { ...world.settings, ...settings } };
    return openConnectors(here).authorize(admin, { provider: 'local', config });
  };
  let files: string;
  beforeAll(async () => {
    files = join(tmpdir(), `drover-files-${newId(world)}`);
    await mkdir(join(files, 'in'), { recursive: true });
    await writeFile(join(files, 'in', 'a'), 'a');
    await symlink('/etc', join(files, 'out'));
  });

  test('the whole machine and the folder of Drover itself are out of reach', async () => {
    for (const root of [undefined, '/', world.folder, join(world.folder, 'artifacts'), join(world.folder, '..')]) {
      await expect(authorize(root)).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'root' });
    }
  });

  test('with a list, only folders that lie in it, whatever links say', async () => {
    const settings = { localFolders: [files] };
    expect((await authorize(join(files, 'in'), settings)).health).toBe('healthy');
    for (const root of ['/etc', join(files, 'out'), `${files}-beside`]) {
      await expect(authorize(root, settings)).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'root' });
    }
    // One that was saved before the list was made opens no more.
    const { id } = await authorize(files);
    const strict = { ...world, settings: { ...world.settings, localFolders: ['/srv/nowhere'] } };
    await expect(connectorOpener(strict)(id, world.openTransport)).rejects.toMatchObject({ field: 'root' });
  });

  test('endpoints keep the whole path, and none lies outside the root', async () => {
    const { id } = await authorize(files);
    const source = await make({ connectorId: id, place: { container: 'in', prefix: '' } });
    expect(source).toMatchObject({ place: { container: join(files, 'in'), prefix: '' }, fullPath: join(files, 'in/') });
    for (const container of ['../', '/etc', 'out']) {
      const outside = make({ connectorId: id, place: { container, prefix: '' } });
      await expect(outside).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
    }
  });
});
