/** Connectors: accounts that Drover may use. Everything about one, from its form to its end. */
import { parseConfig } from '../../contract/config.ts';
import type { Config } from '../../contract/fields.ts';
import type { Account, BrowsePage, CheckLine, Place, Provider } from '../../contract/provider.ts';
import type { DroverError } from '../../model/errors.ts';
import { makeAudit } from '../audit.ts';
import type { Tags } from '../entities.ts';
import { listPage } from '../paging.ts';
import { demand } from '../people/roles.ts';
import type { Connectors } from '../services.ts';
import type { ControlWorld } from '../world.ts';
import { authorize, reauthorize } from './authorize.ts';
import { streamCheck, testSaved } from './checking.ts';
import { checkTags, cloudOf } from './cloud.ts';
import { syncDueInventories } from './due-inventories.ts';
import { parseForm, refusedFields } from './fields.ts';
import { reportHealth, reportLostSignIn } from './health.ts';
import { takeInventory } from './inventory.ts';
import { addAccount } from './members.ts';
import { freeName } from './names.ts';
import {
  connectorOpener,
  discoverAccounts,
  KEEP_NOTHING,
  openAccount,
  providerOf,
  readSaved,
  type SavedConnector,
} from './open.ts';
import { policiesFor } from './policies.ts';
import { removeConnector, usersOf } from './removal.ts';
import {
  ACCOUNT_LISTING,
  accountRowsOf,
  connectorOf,
  inventoryAccountOf,
  INVENTORY_LISTING,
  inventoryItemOf,
  inventoryRowsOf,
  LISTING,
  rowOf,
  rowsOf,
  type CloudRow,
} from './rows.ts';
import { updateConnector } from './update.ts';

export interface ConnectorService extends Connectors {
  /** Takes the inventories whose time has come; called every minute by every server, safe to call by several at once. */
  syncDue(signal: AbortSignal): Promise<number>;
}

export function openConnectors(world: ControlWorld): ConnectorService {
  return { ...reading(world), ...changing(world), ...checking(world), ...using(world), ...inventories(world) };
}

type Reading = 'list' | 'get' | 'usedBy' | 'suggest';
type Changing = 'authorize' | 'reauthorize' | 'update' | 'remove' | 'reportHealth';
type Checking = 'test' | 'testDraft' | 'policies' | 'draftPolicies';
type Using = 'browse' | 'makeContainer' | 'discover';
type Inventories = 'inventory' | 'inventoryAccounts' | 'addAccount' | 'refreshInventory' | 'syncDue';

function reading(world: ControlWorld): Pick<ConnectorService, Reading> {
  const { db, providers } = world;
  return {
    async list(actor, query) {
      demand(actor, 'read');
      const values = { ...LISTING.values, provider: [...providers.keys()] };
      const page = await listPage(db, rowsOf(db), { ...LISTING, values, query });
      return { ...page, items: page.items.map((row) => connectorOf(row, providers)) };
    },
    async get(actor, id) {
      demand(actor, 'read');
      return connectorOf(await rowOf(db, id), providers);
    },
    async usedBy(actor, id) {
      demand(actor, 'read');
      await rowOf(db, id);
      return usersOf(db, id);
    },
    async suggest(actor, providerId) {
      demand(actor, 'connector-change');
      const provider = providerOf(world, providerId);
      const name = await freeName(db, provider.manifest.title);
      // Long enough that nobody guesses it, and told to nobody but the owner of the role.
      const externalId = `drover-${Buffer.from(world.random.bytes(20)).toString('hex')}`;
      const config: Config = Object.hasOwn(provider.account, 'externalId') ? { externalId } : {};
      return { name, config };
    },
  };
}

function changing(world: ControlWorld): Pick<ConnectorService, Changing> {
  const { db, providers } = world;
  const get = async (id: string) => connectorOf(await rowOf(db, id), providers);
  return {
    async authorize(actor, input) {
      demand(actor, 'connector-change');
      return get(await authorize(world, actor, input));
    },
    async reauthorize(actor, id, version, config, how) {
      demand(actor, 'connector-change');
      await reauthorize(world, actor, id, version, config, how);
      return get(id);
    },
    async update(actor, id, version, change) {
      demand(actor, 'connector-change');
      await updateConnector(world, actor, id, version, change);
      return get(id);
    },
    async remove(actor, id, version) {
      demand(actor, 'connector-change');
      await removeConnector(world, actor, id, version);
    },
    reportHealth: (id, error, seenVersion) => reportHealth(world, id, error, seenVersion),
  };
}

function checking(world: ControlWorld): Pick<ConnectorService, Checking> {
  const { db } = world;
  return {
    async *test(actor, id, place, use, signal) {
      demand(actor, 'connector-test');
      yield* testSaved(world, actor, id, { place, use }, signal);
    },
    async *testDraft(actor, id, input, place, use, signal) {
      demand(actor, 'connector-change');
      const provider = providerOf(world, input.provider);
      const saved = id === null ? null : await savedOf(world, id, input.provider);
      const { config } = parseForm(provider, input.config, saved);
      yield* streamCheck(world, provider, config, { place, use }, signal);
    },
    async policies(actor, id, request) {
      demand(actor, 'connector-use');
      const row = await rowOf(db, id);
      const { provider, config } = await readSaved(world, db, id);
      const { tags, cloud, check_lines: check } = row;
      const saved = { tags: tags as Tags, cloud: cloud as CloudRow | null, check: check as readonly CheckLine[] };
      return policiesFor(world, { provider, config, ...saved }, request);
    },
    async draftPolicies(actor, input, request) {
      demand(actor, 'connector-change');
      const provider = providerOf(world, input.provider);
      const cloud = cloudOf(input);
      const tags = checkTags(input.tags ?? {});
      const config = draftOf(provider, input.config);
      return policiesFor(world, { provider, config, tags, cloud, check: [] }, request);
    },
  };
}

async function savedOf(world: ControlWorld, id: string, provider: string): Promise<SavedConnector | null> {
  const saved = await readSaved(world, world.db, id);
  return saved.provider.manifest.id === provider ? saved : null;
}

/** As far as it is filled in. INVALID_INPUT for what is filled in wrong: a policy must not say less than was meant. */
function draftOf(provider: Provider, given: Readonly<Record<string, unknown>>): Config {
  const whole = parseConfig(provider.account, given);
  const isFilled = (field: string): boolean => ![undefined, null, ''].includes(given[field] as undefined);
  const wrong = (whole.problems ?? []).filter(({ field }) => isFilled(field));
  if (wrong.length > 0) throw refusedFields(wrong, provider.account);
  let rest = given;
  for (;;) {
    const parsed = parseConfig(provider.account, rest);
    if (parsed.problems === undefined) return parsed.config;
    const wrong = new Set(parsed.problems.map(({ field }) => field));
    const kept = Object.entries(rest).filter(([name]) => !wrong.has(name));
    if (kept.length === Object.keys(rest).length) return Object.fromEntries(kept) as Config;
    rest = Object.fromEntries(kept);
  }
}

function using(world: ControlWorld): Pick<ConnectorService, Using> {
  const open = connectorOpener(world);
  const audit = makeAudit(world.clock);
  async function* browse(id: string, place: Place | null, signal: AbortSignal): AsyncGenerator<BrowsePage> {
    const { account } = await open(id, world.openTransport);
    await using opened = account;
    try {
      yield* opened.browse(place, signal);
    } catch (thrown) {
      await reportLostSignIn(world, id, thrown);
      throw thrown;
    }
  }
  return {
    async *browse(actor, id, place, signal) {
      demand(actor, 'connector-use');
      yield* browse(id, place, signal);
    },
    async *discover(actor, id, input, parent, signal) {
      demand(actor, 'connector-change');
      const provider = providerOf(world, input.provider);
      const saved = id === null ? null : await savedOf(world, id, input.provider);
      const { config } = parseForm(provider, input.config, saved);
      for await (const items of discoverAccounts(world, provider, config, parent, signal)) yield { items };
    },
    async makeContainer(actor, id, name, signal) {
      demand(actor, 'connector-use');
      const { account, name: connectorName } = await open(id, world.openTransport);
      await using opened = account;
      const outcome = await opened.makeContainer(name, signal).catch(async (thrown: unknown) => {
        await reportLostSignIn(world, id, thrown);
        throw thrown;
      });
      if (outcome === 'existed') return outcome;
      const line = { action: 'connector.make-container', entityKind: 'connector', entityId: id } as const;
      await world.db
        .transaction()
        .execute((tx) =>
          audit(tx, actor, { ...line, entityName: connectorName, changes: { container: [null, name] } }),
        );
      return outcome;
    },
  };
}

function inventories(world: ControlWorld): Pick<ConnectorService, Inventories> {
  const { db, providers } = world;
  const open = connectorOpener(world);
  /** A member that may be reached later, as an error. */
  async function refresh(id: string, signal: AbortSignal): Promise<DroverError | null> {
    const { cloud } = await rowOf(db, id);
    const { account } = await open(id, world.openTransport);
    await using opened = account;
    const openMember = async (fills: Config): Promise<Account> => {
      const { provider, config } = await readSaved(world, db, id);
      const options = { openTransport: world.openTransport, saveAccount: KEEP_NOTHING };
      return (await openAccount(world, provider, { ...config, ...fills }, options)).account;
    };
    const looking = { account: opened, cloud: cloud as CloudRow | null, openMember };
    return await takeInventory(world, id, looking, signal).catch(async (thrown: unknown) => {
      await reportLostSignIn(world, id, thrown);
      throw thrown;
    });
  }
  async function refreshDue(id: string, signal: AbortSignal): Promise<void> {
    const passing = await refresh(id, signal);
    if (passing !== null) throw passing;
  }
  return {
    async inventory(actor, id, query) {
      demand(actor, 'read');
      await rowOf(db, id);
      const page = await listPage(db, inventoryRowsOf(db, id), { ...INVENTORY_LISTING, query });
      return { ...page, items: page.items.map(inventoryItemOf) };
    },
    async inventoryAccounts(actor, id, query) {
      demand(actor, 'read');
      await rowOf(db, id);
      const page = await listPage(db, accountRowsOf(db, id), { ...ACCOUNT_LISTING, query });
      return { ...page, items: page.items.map(inventoryAccountOf) };
    },
    async addAccount(actor, id, accountId, signal) {
      demand(actor, 'connector-change');
      return connectorOf(await rowOf(db, await addAccount(world, actor, id, accountId, signal)), providers);
    },
    async refreshInventory(actor, id, signal) {
      demand(actor, 'connector-use');
      const { name } = await rowOf(db, id);
      const line = { action: 'connector.refresh-inventory', entityKind: 'connector', entityId: id, entityName: name };
      await db.transaction().execute((tx) => makeAudit(world.clock)(tx, actor, line));
      await refresh(id, signal);
      return connectorOf(await rowOf(db, id), providers);
    },
    syncDue: (signal) => syncDueInventories(world, refreshDue, signal),
  };
}
