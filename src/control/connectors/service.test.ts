import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { CheckLine } from '../../contract/provider.ts';
import { createMemoryProvider, MemoryStore } from '../../providers/memory/provider.ts';
import { local } from '../../providers/local/provider.ts';
import type { Actor, Connector } from '../entities.ts';
import { openEndpoints } from '../endpoints/service.ts';
import type { Endpoints } from '../services.ts';
import { openTestWorld, type TestWorld } from '../testing.ts';
import { connectorOpener } from './open.ts';
import { openConnectors, type ConnectorService } from './service.ts';

const PASSPHRASE = 'Planted/Passphrase+4711=';
const { signal } = new AbortController();

let store: MemoryStore;
let world: TestWorld;
let connectors: ConnectorService;
let endpoints: Endpoints;
let admin: Actor;
let operator: Actor;
let viewer: Actor;

beforeAll(async () => {
  store = new MemoryStore({ passphrase: PASSPHRASE }, 'vaulted');
  store.ensure('photos');
  world = await openTestWorld({ providers: [createMemoryProvider(store), local] });
  connectors = openConnectors(world);
  endpoints = openEndpoints(world, connectorOpener(world));
  admin = world.as('admin');
  operator = world.as('operator');
  viewer = world.as('viewer');
});
afterAll(() => world.close());
beforeEach(async () => {
  for (const table of ['jobs', 'projects', 'endpoints', 'connectors', 'secrets', 'audit'] as const) {
    await world.db.deleteFrom(table).execute();
  }
});

const form = { store: 'vaulted', passphrase: PASSPHRASE };
const make = (more: Partial<Parameters<ConnectorService['authorize']>[1]> = {}): Promise<Connector> =>
  connectors.authorize(admin, { provider: 'memory', config: form, ...more });
const audited = async (): Promise<string[]> =>
  (await world.db.selectFrom('audit').select('action').orderBy('number').execute()).map(({ action }) => action);
const collect = async (lines: AsyncIterable<CheckLine>): Promise<CheckLine[]> => {
  const all: CheckLine[] = [];
  for await (const line of lines) all.push(line);
  return all;
};

describe('authorizing', () => {
  test('keeps the form without its secret, who acts, and what was checked', async () => {
    const made = await make({ tags: { team: 'archive' } });
    expect(made).toMatchObject({
      name: 'Memory',
      provider: 'memory',
      providerTitle: 'Memory',
      config: { store: 'vaulted' },
      signedInAs: 'whoever uses "vaulted"',
      health: 'healthy',
      tags: { team: 'archive' },
      cloud: null,
      usedBy: { endpoints: 0, jobs: 0 },
      version: 1,
    });
    expect(made.secrets).toEqual({ passphrase: world.vault.fingerprint(PASSPHRASE) });
    expect(made.check.map(({ what, result }) => `${what} ${result}`)).toEqual(['identity ok']);
    expect(await audited()).toEqual(['connector.authorize']);
  });

  test('a wrong secret is refused at its field, and nothing is saved', async () => {
    const wrong = make({ config: { ...form, passphrase: 'Wrong-Passphrase-0815' } });
    await expect(wrong).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'passphrase' });
    for (const table of ['connectors', 'secrets', 'audit'] as const) {
      expect(await world.db.selectFrom(table).selectAll().execute()).toEqual([]);
    }
  });

  test.each([
    [{ config: { ...form, store: 'No Such Name' } }, 'store'],
    [{ config: { ...form, colour: 'red' } }, 'colour'],
    [{ provider: 'floppy' }, 'provider'],
    [{ tags: { 'aws:mine': 'x' } }, 'tags'],
    [{ tags: { 'a=b': 'x' } }, 'tags'],
    [{ limits: { requestsPerSecond: 0, transfersMax: null } }, 'limits.requestsPerSecond'],
    [{ name: 'x'.repeat(201) }, 'name'],
  ])('%j is refused at the field %s', async (change, field) => {
    await expect(make(change)).rejects.toMatchObject({ code: 'INVALID_INPUT', field });
  });

  test('without a name it gets the next free one; a taken name is refused at the field, whatever its case', async () => {
    const names = [await make(), await make(), await make({ name: '  ' })].map(({ name }) => name);
    expect(names).toEqual(['Memory', 'Memory 2', 'Memory 3']);
    expect(await connectors.suggest(admin, 'memory')).toEqual({ name: 'Memory 4', config: {} });
    await expect(make({ name: 'MEMORY 2' })).rejects.toMatchObject({ code: 'ALREADY_EXISTS', field: 'name' });
  });

  test('many at the same moment all get names of their own', async () => {
    const made = await Promise.all(Array.from({ length: 4 }, () => make()));
    expect(new Set(made.map(({ name }) => name)).size).toBe(4);
  });

  test('roles: only admins make and change, operators test and look, viewers read', async () => {
    await expect(connectors.authorize(operator, { provider: 'memory', config: form })).rejects.toMatchObject({
      code: 'FORBIDDEN',
    });
    const { id } = await make();
    await expect(connectors.update(operator, id, null, { name: 'x' })).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(
      collect(connectors.testDraft(operator, id, { provider: 'memory', config: {} }, null, 'read', signal)),
    ).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect(await collect(connectors.test(operator, id, null, 'read', signal))).toHaveLength(1);
    await expect(collect(connectors.test(viewer, id, null, 'read', signal))).rejects.toMatchObject({
      code: 'FORBIDDEN',
    });
    expect((await connectors.get(viewer, id)).id).toBe(id);
  });
});

describe('reauthorizing', () => {
  test('leaves the secret where it is left out, empty or shown as dots', async () => {
    const { id } = await make();
    for (const passphrase of [undefined, '', '••••••••']) {
      const again = await connectors.reauthorize(admin, id, null, { store: 'vaulted', passphrase });
      expect(again.secrets).toEqual({ passphrase: world.vault.fingerprint(PASSPHRASE) });
    }
    // Taking it away explicitly is refused by the store, and the old one still holds.
    const without = connectors.reauthorize(admin, id, null, { store: 'vaulted', passphrase: null });
    await expect(without).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'passphrase' });
    expect(await collect(connectors.test(admin, id, null, 'read', signal))).toMatchObject([{ result: 'ok' }]);
  });

  test('makes it healthy again and tells everybody, so that what waited goes on', async () => {
    const { id } = await make();
    await connectors.reportHealth(id, { code: 'UNAUTHENTICATED', message: 'The key was revoked.' });
    expect(await connectors.get(viewer, id)).toMatchObject({
      health: 'needs-attention',
      healthReason: { code: 'UNAUTHENTICATED', message: 'The key was revoked.' },
    });
    const told = Promise.withResolvers<string>();
    await world.bus.ready();
    const stop = world.bus.listen((topic, what) => what === id && told.resolve(topic));
    const again = await connectors.reauthorize(admin, id, 1, form);
    expect(again).toMatchObject({ health: 'healthy', healthReason: null, version: 2 });
    expect(await told.promise).toBe('connector');
    stop();
    const { changes } = await world.db
      .selectFrom('audit')
      .select('changes')
      .where('action', '=', 'connector.reauthorize')
      .executeTakeFirstOrThrow();
    expect(JSON.stringify(changes)).not.toContain(PASSPHRASE);
  });

  test('what failed with the credentials before says nothing about the new ones', async () => {
    const { id } = await make();
    const { account, version } = await connectorOpener(world)(id, world.openTransport);
    await account[Symbol.asyncDispose]();
    const revoked = { code: 'UNAUTHENTICATED', message: 'The key was revoked.' };
    await connectors.reportHealth(id, revoked, version);
    expect((await connectors.get(viewer, id)).health).toBe('needs-attention');
    await connectors.reauthorize(admin, id, null, form);
    await connectors.reportHealth(id, revoked, version);
    expect((await connectors.get(viewer, id)).health).toBe('healthy');
  });

  test('a version that somebody else overtook is refused', async () => {
    const { id } = await make();
    await connectors.update(admin, id, 1, { name: 'Mine' });
    await expect(connectors.reauthorize(admin, id, 1, form)).rejects.toMatchObject({ code: 'EDIT_CONFLICT' });
  });
});

/** What the audit says of the last one. */
async function lastTest(): Promise<unknown> {
  const row = await world.db
    .selectFrom('audit')
    .select('changes')
    .where('action', '=', 'connector.test')
    .orderBy('number', 'desc')
    .executeTakeFirst();
  return row?.changes;
}

describe('tests', () => {
  test('stream line by line and are kept', async () => {
    const { id } = await make();
    const place = { container: 'photos', prefix: '' };
    const lines = await collect(connectors.test(operator, id, place, 'both', signal));
    expect(lines.map(({ what }) => what)).toEqual(['identity', 'list', 'read', 'tags', 'write', 'delete']);
    expect((await connectors.get(viewer, id)).check).toEqual(lines);
    expect(await audited()).toEqual(['connector.authorize', 'connector.test']);
  });

  test('a right that is missing leaves the connector healthy; a lost sign-in does not', async () => {
    const { id } = await make();
    const lines = await collect(connectors.test(operator, id, { container: 'absent', prefix: '' }, 'read', signal));
    const refused = lines.filter(({ result }) => result === 'refused').map(({ what, message }) => ({ what, message }));
    expect(refused.length).toBeGreaterThan(0);
    expect((await connectors.get(viewer, id)).health).toBe('healthy');
    expect(await lastTest()).toEqual({ refused: [null, refused] });
    await collect(connectors.test(operator, id, { container: 'photos', prefix: '' }, 'read', signal));
    expect(await lastTest()).toEqual({});
    const changed = new MemoryStore({ passphrase: 'another' }, 'vaulted');
    await using other = await openTestWorld({
      databaseUrl: world.databaseUrl,
      providers: [createMemoryProvider(changed)],
    });
    await collect(openConnectors(other).test(operator, id, null, 'read', signal));
    expect(await connectors.get(viewer, id)).toMatchObject({
      health: 'needs-attention',
      healthReason: { field: 'passphrase' },
    });
    expect(await lastTest()).toMatchObject({ refused: [null, [{ what: 'identity' }]] });
  });

  test('of values not saved yet, with the secret that is saved', async () => {
    const { id } = await make();
    const draft = { provider: 'memory', config: { store: 'vaulted' } };
    expect(await collect(connectors.testDraft(admin, id, draft, null, 'read', signal))).toMatchObject([
      { what: 'identity', result: 'ok' },
    ]);
    expect(await collect(connectors.testDraft(admin, null, draft, null, 'read', signal))).toMatchObject([
      { what: 'identity', result: 'refused', field: 'passphrase' },
    ]);
  });

  test('health is written only when it changes', async () => {
    const { id } = await make();
    const before = await world.db.selectFrom('connectors').selectAll().where('id', '=', id).executeTakeFirst();
    await connectors.reportHealth(id, null);
    expect(await world.db.selectFrom('connectors').selectAll().where('id', '=', id).executeTakeFirst()).toEqual(before);
    await connectors.reportHealth('no id at all', null);
  });
});

describe('changing and removing', () => {
  test('name, tags and limits; nothing else, and nothing without a change', async () => {
    const { id } = await make();
    const limits = { requestsPerSecond: 100, transfersMax: 8 };
    const after = await connectors.update(admin, id, 1, { name: 'Archive', tags: { a: 'b' }, limits });
    expect(after).toMatchObject({ name: 'Archive', tags: { a: 'b' }, limits, version: 2 });
    expect((await connectors.update(admin, id, 2, { name: 'Archive' })).version).toBe(2);
    expect(await audited()).toEqual(['connector.authorize', 'connector.update']);
    const cloud = { accountType: 'single', accountId: '111111111111', solutions: ['inventory'], services: ['s3'] };
    await expect(
      connectors.update(admin, id, 2, {
        cloud: { ...cloud, permission: 'read', regions: null, syncEveryMinutes: null } as never,
      }),
    ).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'cloud' });
  });

  test('removal is refused while something uses it, naming what; then secret and all are gone', async () => {
    const { id } = await make();
    const place = { container: 'photos', prefix: '' };
    const endpoint = await endpoints.create(admin, { kind: 'source', connectorId: id, place }, signal);
    await expect(connectors.remove(admin, id, null)).rejects.toMatchObject({
      code: 'IN_USE',
      message: expect.stringContaining('"photos"') as string,
    });
    expect((await connectors.usedBy(viewer, id)).endpoints.map(({ name }) => name)).toEqual(['photos']);
    expect((await connectors.get(viewer, id)).usedBy).toEqual({ endpoints: 1, jobs: 0 });
    await endpoints.remove(admin, endpoint.id, null);
    await connectors.remove(admin, id, null);
    expect(await world.db.selectFrom('secrets').selectAll().execute()).toEqual([]);
    await expect(connectors.get(viewer, id)).rejects.toMatchObject({ code: 'ENTITY_NOT_FOUND' });
    await expect(connectors.get(viewer, 'nonsense')).rejects.toMatchObject({ code: 'ENTITY_NOT_FOUND' });
  });

  test('lists filter by tag and health, and search by name', async () => {
    await make({ name: 'Archive north', tags: { site: 'north' } });
    await make({ name: 'Archive south', tags: { site: 'south' } });
    const names = async (query: Parameters<ConnectorService['list']>[1]): Promise<string[]> =>
      (await connectors.list(viewer, query)).items.map(({ name }) => name);
    expect(await names({ sort: '-name' })).toEqual(['Archive south', 'Archive north']);
    expect(await names({ filter: { tag: ['site=north'] } })).toEqual(['Archive north']);
    expect(await names({ filter: { tag: ['site'] } })).toHaveLength(2);
    expect(await names({ filter: { health: ['needs-attention'] } })).toEqual([]);
    expect(await names({ search: 'SOUTH' })).toEqual(['Archive south']);
    const first = await connectors.list(viewer, { limit: 1, withTotal: true });
    expect(first.total).toBe(2);
    expect(await names({ limit: 1, cursor: first.nextCursor ?? '' })).toEqual(['Archive south']);
  });
});

describe('what is used by others', () => {
  test('opening signs in with what is saved, keeps what the provider renews, and notes the use', async () => {
    const { id } = await make();
    const opened = await connectorOpener(world)(id, world.openTransport);
    expect(opened).toMatchObject({ name: 'Memory', config: { store: 'vaulted' } });
    const pages = [];
    for await (const page of opened.account.browse(null, signal)) pages.push(...page.items);
    expect(pages).toMatchObject([{ name: 'photos' }]);
    await opened.account[Symbol.asyncDispose]();
    expect((await connectors.get(viewer, id)).lastUsedAt).not.toBeNull();
    await expect(connectorOpener(world)('nonsense', world.openTransport)).rejects.toMatchObject({
      code: 'ENTITY_NOT_FOUND',
    });
  });

  test('a secret that a provider renews by itself is kept', async () => {
    const { id } = await make();
    const inner = createMemoryProvider(store);
    const renewing = {
      ...inner,
      open: async (...[config, context]: Parameters<typeof inner.open>) => {
        await context.saveAccount({ passphrase: 'Renewed-Passphrase' });
        return inner.open(config, context);
      },
    };
    await using other = await openTestWorld({ databaseUrl: world.databaseUrl, providers: [renewing] });
    const { account } = await connectorOpener(other)(id, other.openTransport);
    await account[Symbol.asyncDispose]();
    const row = await world.db.selectFrom('connectors').select('secret_id').where('id', '=', id).executeTakeFirst();
    expect(await world.vault.open(world.db, row?.secret_id ?? '')).toEqual({ passphrase: 'Renewed-Passphrase' });
    expect((await connectors.get(viewer, id)).secrets).toEqual({
      passphrase: world.vault.fingerprint('Renewed-Passphrase'),
    });
  });

  test('operators browse and make containers; making one is on record', async () => {
    const { id } = await make();
    expect(await connectors.makeContainer(operator, id, 'fresh', signal)).toBe('made');
    expect(await connectors.makeContainer(operator, id, 'fresh', signal)).toBe('existed');
    const names: string[] = [];
    for await (const page of connectors.browse(operator, id, null, signal))
      names.push(...page.items.map((i) => i.name));
    expect(names).toEqual(['fresh', 'photos']);
    expect(await audited()).toEqual(['connector.authorize', 'connector.make-container']);
  });

  test('no table holds a planted secret, nor does any answer or log line', async () => {
    const { id } = await make();
    await make({ config: { ...form, passphrase: 'Other-Planted-1' } }).catch(() => undefined);
    await collect(connectors.test(admin, id, { container: 'absent', prefix: '' }, 'both', signal));
    await connectors.reauthorize(admin, id, null, form);
    const answers = JSON.stringify([await connectors.list(viewer, {}), await connectors.get(viewer, id)]);
    const tables = await world.db.introspection.getTables();
    const textOf = (value: unknown): string =>
      Buffer.isBuffer(value) ? value.toString('latin1') : JSON.stringify(value);
    const texts = await Promise.all(
      tables.map(async ({ name }) => {
        const rows = await world.db
          .selectFrom(name as 'audit')
          .selectAll()
          .execute();
        return rows.flatMap((row) => Object.values(row).map(textOf)).join('\n');
      }),
    );
    expect(texts.join('\n')).toContain('vaulted');
    expect(tables.length).toBeGreaterThan(20);
    const everything = [answers, ...texts, ...world.logged].join('\n');
    for (const planted of [PASSPHRASE, 'Other-Planted-1', encodeURIComponent(PASSPHRASE)]) {
      expect(everything.includes(planted)).toBe(false);
    }
  });
});
