/** A transfer must never hit its own source, by whatever account, root, link or address the place is reached. */
import { rmSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { connectorOpener } from '../../src/control/connectors/open.ts';
import { openConnectors, type ConnectorService } from '../../src/control/connectors/service.ts';
import { openEndpoints } from '../../src/control/endpoints/service.ts';
import type { Actor, Endpoint, Job } from '../../src/control/entities.ts';
import { openEnds, readRunToOpen, Side } from '../../src/control/fleet/ends.ts';
import { openPreflight } from '../../src/control/jobs/preflight.ts';
import { openJobs } from '../../src/control/jobs/service.ts';
import { openProjects } from '../../src/control/projects/service.ts';
import { openRuns } from '../../src/control/runs/service.ts';
import type { Endpoints, Jobs, Runs } from '../../src/control/services.ts';
import { openTestWorld, type TestWorld } from '../../src/control/testing.ts';
import { systemClock } from '../../src/lib/system.ts';
import { azureBlob } from '../../src/providers/azure-blob/provider.ts';
import { local } from '../../src/providers/local/provider.ts';
import { s3 } from '../../src/providers/s3/provider.ts';
import { createAzureService } from '../../src/sim/azure-service.ts';
import { bytesBody, type SimRequest } from '../../src/sim/http.ts';
import { createS3Service, type S3Service } from '../../src/sim/s3-service.ts';
import { simTransport } from '../../src/sim/transport.ts';
import { seededRandom } from '../../src/sim/world.ts';

const { signal } = new AbortController();
const AZURE_KEY = Buffer.alloc(64, 7).toString('base64');
const SECRET = 'kx7Qm2vT9zR4bN8wPlaceHolderYd3fGh';

const DENIED = {
  status: 403,
  headers: { 'content-type': 'application/xml' },
  body: bytesBody(Buffer.from('<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>')),
};

let world: TestWorld;
let service: S3Service;
let elsewhere: S3Service;
let connectors: ConnectorService;
let endpoints: Endpoints;
let jobs: Jobs;
let runs: Runs;
let admin: Actor;
let projectId: string;
/** Of the test. */
let folder: string;
let made = 0;

function openService(): S3Service {
  const account = (accountId: string, ...keys: string[]) => ({
    accountId,
    users: keys.map((key) => ({ name: key, accessKeyId: key, secretAccessKey: SECRET })),
  });
  return createS3Service({
    clock: systemClock,
    random: seededRandom(1),
    accounts: [account('111111111111', 'AKALICE', 'AKALICE2'), account('222222222222', 'AKBOB')],
  });
}

beforeAll(async () => {
  [service, elsewhere] = [openService(), openService()];
  const hosts = new Map([
    ['http://store.test', service],
    ['http://alias.test', service],
    ['http://other.test', elsewhere],
  ]);
  // Shows a folder as a bucket: what is written there is a file of it at once.
  const gateway = {
    handle: (request: SimRequest) => {
      const name = /^\/b\d+\/(\.drover-probe-[^/?]+)/.exec(request.path)?.[1];
      if (name !== undefined && request.method === 'PUT') writeFileSync(join(folder, name), request.body);
      if (name !== undefined && request.method === 'DELETE') rmSync(join(folder, name), { force: true });
      return elsewhere.handle(request);
    },
  };
  // Lets nobody look for what is tried out.
  const blind = {
    handle: (request: SimRequest) =>
      request.method !== 'PUT' && request.path.includes('.drover-probe-')
        ? Promise.resolve(DENIED)
        : service.handle(request),
  };
  const azure = new Map<string, ReturnType<typeof createAzureService>>(
    ['onedata', 'twodata'].map((accountName) => {
      const own = createAzureService({
        clock: systemClock,
        random: seededRandom(2),
        accountName,
        accountKey: AZURE_KEY,
      });
      own.createContainer('archive');
      return [`https://${accountName}.blob.core.windows.net`, own] as const;
    }),
  );
  world = await openTestWorld({
    providers: [s3, local, azureBlob],
    openTransport: simTransport((at) => {
      if (at === 'http://gateway.test') return gateway;
      return at === 'http://blind.test' ? blind : (hosts.get(at) ?? azure.get(at) ?? null);
    }),
  });
  admin = world.as('admin');
  const openConnector = connectorOpener(world);
  connectors = openConnectors(world);
  endpoints = openEndpoints(world, openConnector);
  const cleanup = { removeFilesOf: async () => undefined };
  jobs = openJobs(world, { cleanup, ...openPreflight(world, openConnector) });
  runs = openRuns(world, { preflight: jobs.preflight, append: async () => undefined });
  projectId = (await openProjects(world, cleanup).create(admin, { name: 'One' })).id;
});
afterAll(() => world.close());
beforeEach(async () => {
  made += 1;
  folder = await mkdtemp(join(tmpdir(), 'drover-same-place-'));
  for (const each of [service, elsewhere]) {
    each.createBucket(`b${made}`, { sharedWith: ['222222222222'] });
    each.put(`b${made}`, 'x/one', 'content');
  }
});

afterEach(() => rm(folder, { recursive: true }));

const inStore = async (accessKeyId: string, host = 'store.test'): Promise<string> => {
  const config = { endpoint: `http://${host}`, pathStyle: true, accessKeyId, secretAccessKey: SECRET };
  return (await connectors.authorize(admin, { provider: 's3', config })).id;
};
const inFolder = async (root: string): Promise<string> =>
  (await connectors.authorize(admin, { provider: 'local', config: { root } })).id;
const endpoint = (kind: Endpoint['kind'], connectorId: string, container: string, prefix = ''): Promise<Endpoint> =>
  endpoints.create(admin, { kind, connectorId, place: { container, prefix } }, signal);
const job = (source: Endpoint, target: Endpoint): Promise<Job> =>
  jobs.create(admin, projectId, {
    name: `Job ${source.id}`,
    sourceEndpointId: source.id,
    targetEndpointId: target.id,
    settings: { mode: 'mirror', tags: 'ignore' },
  });
const OVERLAP = { code: 'PLACES_OVERLAP', field: 'targetEndpointId' };

describe('no job is made, and endpoints warn', () => {
  test.each([
    ['another key of the account', 'AKALICE', 'AKALICE2'],
    ['another account that was let in', 'AKALICE', 'AKBOB'],
    ['the source being of who was let in', 'AKBOB', 'AKALICE'],
  ])('%s', async (_how, reader, writer) => {
    const [from, to] = [await inStore(reader), await inStore(writer)];
    const inside = await endpoint('source', from, `b${made}`, 'x/');
    const whole = await endpoint('target', to, `b${made}`);
    expect(whole.warnings).toEqual([expect.stringMatching(/overlaps .*x\/, which is the source/)]);
    await expect(job(inside, whole)).rejects.toMatchObject(OVERLAP);

    const source = await endpoint('source', from, `b${made}`);
    const target = await endpoint('target', to, `b${made}`, 'x/');
    await expect(job(source, target)).rejects.toMatchObject(OVERLAP);
    await expect(job(source, whole)).rejects.toMatchObject({
      ...OVERLAP,
      message: `Source and target are the same place, "${whole.fullPath}".`,
    });
    const twin = await endpoint('target', from, `b${made}`);
    expect(twin.warnings).toContainEqual(expect.stringContaining(`is the place of the target "${whole.name}" already`));
    await expect(job(inside, await endpoint('target', to, `b${made}`, 'y/'))).resolves.toBeDefined();
  });

  test.each<[string, string, string, string, string]>([
    ['a root inside the other', '', 'a', 'a', 'a/b'],
    ['one folder by two roots', '', 'a/b', 'a', 'a/b'],
    ['a link', '', 'a', '', 'link'],
    ['below a link', '', 'a/b', '', 'link/b'],
  ])('%s', async (_how, sourceRoot, source, targetRoot, target) => {
    await mkdir(join(folder, 'a/b'), { recursive: true });
    await symlink('a', join(folder, 'link'));
    const from = await endpoint('source', await inFolder(join(folder, sourceRoot)), join(folder, source));
    const to = await endpoint('target', await inFolder(join(folder, targetRoot)), join(folder, target));
    expect(to.warnings).toHaveLength(1);
    await expect(job(from, to)).rejects.toMatchObject(OVERLAP);
  });

  test('a bucket of that name in another store is another place', async () => {
    const source = await endpoint('source', await inStore('AKALICE'), `b${made}`);
    const target = await endpoint('target', await inStore('AKALICE', 'other.test'), `b${made}`);
    expect(target.warnings).toBeUndefined();
    await expect(job(source, target)).resolves.toBeDefined();
  });
});

describe('signing in anew', () => {
  const form = (accessKeyId: string, host: string) => ({
    endpoint: `http://${host}`,
    pathStyle: true,
    accessKeyId,
    secretAccessKey: SECRET,
  });

  test('leads to another store only when that is confirmed, and says whom it moves', async () => {
    const connectorId = await inStore('AKALICE');
    const source = await endpoint('source', connectorId, `b${made}`, 'x/');
    const target = await endpoint('target', await inStore('AKBOB'), `b${made}`, 'y/');
    const { id, name } = await job(source, target);
    expect([source.store, source.fullPath]).toEqual(['store.test', `s3://b${made}/x/`]);
    const before = await identityOf(source);
    const again = connectors.reauthorize(admin, connectorId, null, form('AKALICE', 'other.test'));
    await expect(again).rejects.toMatchObject({
      code: 'GUARD_CONFIRM',
      message: expect.stringMatching(
        new RegExp(`other\\.test.* instead of .*store\\.test.*"${source.name}".*"${name}".*a mirror then deletes`),
      ),
      remedy: expect.stringContaining('--accept-move'),
    });
    // Nothing has changed.
    expect(await identityOf(source)).toBe(before);
    expect((await connectors.get(admin, connectorId)).config).toMatchObject({ endpoint: 'http://store.test' });
    expect((await jobs.preflight(admin, id, { count: false }, signal)).ok).toBe(true);

    await connectors.reauthorize(admin, connectorId, null, form('AKALICE', 'other.test'), { acceptMove: true });
    expect(await identityOf(source)).not.toBe(before);
    expect((await endpoints.get(admin, source.id)).store).toBe('other.test');
    const audited = await world.db
      .selectFrom('audit')
      .select('changes')
      .where('action', '=', 'connector.reauthorize')
      .where('entity_id', '=', connectorId)
      .execute();
    expect(audited.map(({ changes }) => changes)).toEqual([
      expect.objectContaining({
        'places (1)': [expect.stringContaining('store.test'), expect.stringContaining('other.test')],
      }),
    ]);
  });

  test('with another key needs no word', async () => {
    const connectorId = await inStore('AKALICE');
    await endpoint('source', connectorId, `b${made}`);
    await expect(
      connectors.reauthorize(admin, connectorId, null, form('AKALICE2', 'store.test')),
    ).resolves.toBeDefined();
  });

  test('with another account of such a store is confirmed, too: each may have buckets of its own', async () => {
    const connectorId = await inStore('AKALICE');
    const { id, fullPath } = await endpoint('source', connectorId, `b${made}`);
    await expect(connectors.reauthorize(admin, connectorId, null, form('AKBOB', 'store.test'))).rejects.toMatchObject({
      code: 'GUARD_CONFIRM',
      message: expect.stringMatching(/to the account "222222222222" instead of "111111111111" of a store/),
    });
    await connectors.reauthorize(admin, connectorId, null, form('AKBOB', 'store.test'), { acceptMove: true });
    expect((await endpoints.get(admin, id)).fullPath).toBe(fullPath);
  });

  test('shows the new address everywhere, and keeps nothing of what the other store honoured', async () => {
    const config = { accountName: 'onedata', accountKey: AZURE_KEY };
    const connectorId = (await connectors.authorize(admin, { provider: 'azure-blob', config })).id;
    const target = await endpoint('target', connectorId, 'archive', `in${made}/`);
    const source = await endpoint('source', await inStore('AKALICE'), `b${made}`);
    const { id } = await jobs.create(admin, projectId, {
      name: `Into ${target.id}`,
      sourceEndpointId: source.id,
      targetEndpointId: target.id,
      targetSubPath: 'deep/',
    });
    expect(target.facts).not.toBeNull();
    const again = { accountName: 'twodata', accountKey: AZURE_KEY };
    await connectors.reauthorize(admin, connectorId, null, again, { acceptMove: true });
    const fullPath = `https://twodata.blob.core.windows.net/archive/in${made}/`;
    expect(await endpoints.get(admin, target.id)).toMatchObject({ fullPath, facts: null });
    expect((await jobs.get(admin, id)).target.fullPath).toBe(`${fullPath}deep/`);
    expect((await endpoints.get(admin, source.id)).fullPath).toBe(source.fullPath);
  });

  test('moves nothing where no endpoint was made', async () => {
    const connectorId = await inStore('AKALICE');
    await expect(
      connectors.reauthorize(admin, connectorId, null, form('AKALICE', 'other.test')),
    ).resolves.toBeDefined();
  });

  test('moves also what nobody has looked at since identities are kept', async () => {
    const connectorId = await inStore('AKALICE');
    const { id } = await endpoint('source', connectorId, `b${made}`);
    await sql`UPDATE endpoints SET identity = NULL WHERE id = ${id}`.execute(world.db);
    const again = connectors.reauthorize(admin, connectorId, null, form('AKALICE', 'other.test'));
    await expect(again).rejects.toMatchObject({ code: 'GUARD_CONFIRM' });
    await expect(
      connectors.reauthorize(admin, connectorId, null, form('AKALICE2', 'store.test')),
    ).resolves.toBeDefined();
  });

  async function identityOf({ id }: Endpoint): Promise<string | null> {
    const row = await world.db.selectFrom('endpoints').select('identity').where('id', '=', id).executeTakeFirst();
    return row?.identity ?? null;
  }
});

describe('no run begins', () => {
  const refused = async (id: string, message: RegExp): Promise<void> => {
    const report = await jobs.preflight(admin, id, { count: false }, signal);
    expect([report.ok, report.grants]).toEqual([false, []]);
    expect(report.target.at(-1)).toMatchObject({ result: 'refused', message: expect.stringMatching(message) });
    const start = { kind: 'transfer', trigger: 'person' } as const;
    await expect(runs.start(admin, id, start, signal)).rejects.toMatchObject({ code: 'PREFLIGHT_FAILED' });
  };

  test('after signing in anew has led to the store of the source', async () => {
    const source = await endpoint('source', await inStore('AKALICE'), `b${made}`);
    const connectorId = await inStore('AKBOB', 'other.test');
    const { id } = await job(source, await endpoint('target', connectorId, `b${made}`));
    const again = { endpoint: 'http://store.test', pathStyle: true, accessKeyId: 'AKBOB', secretAccessKey: SECRET };
    await connectors.reauthorize(admin, connectorId, null, again, { acceptMove: true });
    await refused(id, /^Source and target are the same place/);
    const start = { kind: 'transfer', trigger: 'person', skipPreflight: true } as const;
    await expect(runs.start(admin, id, start, signal)).rejects.toMatchObject({ code: 'PLACES_OVERLAP' });
  });

  test('after a link was put in the place of the target', async () => {
    for (const name of ['a', 'b']) await mkdir(join(folder, name));
    const connectorId = await inFolder(folder);
    const source = await endpoint('source', connectorId, join(folder, 'a'));
    const { id } = await job(source, await endpoint('target', connectorId, join(folder, 'b')));
    const start = { kind: 'transfer', trigger: 'person', skipPreflight: true } as const;
    const run = await runs.start(admin, id, start, signal);
    await rm(join(folder, 'b'), { recursive: true });
    await symlink('a', join(folder, 'b'));
    // The run is queued already: who opens its ends looks once more.
    await using cleanup = new AsyncDisposableStack();
    await expect(opened(run.id, cleanup)).rejects.toMatchObject({ code: 'PLACES_OVERLAP' });
    await refused(id, /are the same place/);
  });

  test.each([
    ['the same', '', ''],
    ['inside the target', 'x/', ''],
    ['around the target', '', 'x/'],
  ])('where another address leads to the same bucket: the source is %s', async (_how, from, to) => {
    const source = await endpoint('source', await inStore('AKALICE'), `b${made}`, from);
    const target = await endpoint('target', await inStore('AKALICE', 'alias.test'), `b${made}`, to);
    const { id } = await job(source, target);
    await refused(id, /are the same place/);
    // Not to be skipped, by whoever starts it.
    for (const trigger of ['person', 'token', 'schedule'] as const) {
      const start = { kind: 'transfer', trigger, skipPreflight: true } as const;
      await expect(runs.start(admin, id, start, signal)).rejects.toMatchObject({ code: 'PLACES_OVERLAP' });
    }
    expect(service.keys(`b${made}`)).toEqual(['x/one']);
  });

  test('where a gateway shows the source as a bucket', async () => {
    const source = await endpoint('source', await inFolder(folder), folder);
    await writeFile(join(folder, 'one'), 'content');
    const { id } = await job(source, await endpoint('target', await inStore('AKALICE', 'gateway.test'), `b${made}`));
    await refused(id, /are the same place/);
  });

  test('where it cannot be tried out, the run begins with a warning', async () => {
    const source = await endpoint('source', await inStore('AKALICE'), `b${made}`);
    const target = await endpoint('target', await inStore('AKBOB', 'other.test'), `b${made}`, 'x/');
    const { id } = await job(source, target);
    elsewhere.createBucket(`b${made}`, { sharedWith: [] });
    const run = await runs.start(admin, id, { kind: 'transfer', trigger: 'person', skipPreflight: true }, signal);
    expect(run.warnings).toEqual([expect.stringMatching(/could not be tried out\. Before it deletes anything/)]);
  });

  test('where the source lets nobody look for what was written, that is said before the run, too', async () => {
    const source = await endpoint('source', await inStore('AKALICE', 'blind.test'), `b${made}`);
    const { id } = await job(source, await endpoint('target', await inStore('AKALICE', 'alias.test'), `b${made}`));
    const run = await runs.start(admin, id, { kind: 'transfer', trigger: 'person', skipPreflight: true }, signal);
    expect(run.warnings).toEqual([expect.stringMatching(/could not be tried out\. Before it deletes anything/)]);
    const { warnings } = await jobs.preflight(admin, id, { count: false, kind: 'transfer' }, signal);
    expect(warnings).toEqual(expect.arrayContaining([expect.stringMatching(/could not be tried out/)]));
  });

  async function opened(runId: string, cleanup: AsyncDisposableStack) {
    const run = (await readRunToOpen(fleet(), runId))!;
    const sides = {
      source: new Side('source', run.sourceConnectorId),
      target: new Side('target', run.targetConnectorId),
    };
    const shares = { limited: (_id: string, open: unknown) => open } as never;
    return openEnds(fleet(), run, sides, shares, cleanup, signal);
  }

  function fleet(): never {
    const traffic = {
      counting: (_id: string, _side: string, open: unknown) => open,
      watch: () => ({ [Symbol.dispose]: () => undefined, [Symbol.asyncDispose]: async () => undefined }),
      retried: () => undefined,
    };
    return { ...world, traffic, parts: { openConnector: connectorOpener(world) } } as never;
  }
});

test('two connectors that lead to one bucket share its queue', async () => {
  const targets = [await inStore('AKALICE'), await inStore('AKBOB')];
  const source = await endpoint('source', await inStore('AKALICE', 'other.test'), `b${made}`);
  const places: unknown[] = [];
  for (const connectorId of targets) {
    const target = await endpoint('target', connectorId, `b${made}`, 'same/');
    const { id } = await jobs.create(admin, projectId, {
      name: `To ${target.id}`,
      sourceEndpointId: source.id,
      targetEndpointId: target.id,
      targetSubPath: 'deep/',
    });
    const run = await runs.start(admin, id, { kind: 'transfer', trigger: 'person', skipPreflight: true }, signal);
    const columns = ['target_fingerprint', 'target_container', 'target_prefix'] as const;
    places.push(await world.db.selectFrom('runs').select(columns).where('id', '=', run.id).executeTakeFirst());
  }
  expect(places[0]).toEqual(places[1]);
  expect(places[0]).toMatchObject({ target_container: `b${made}`, target_prefix: 'same/deep/' });
});
