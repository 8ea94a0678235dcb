/** Signing in to saved connectors, and to ones that are being filled in. */
import { secretValues, splitSecrets } from '../../contract/config.ts';
import type { Config } from '../../contract/fields.ts';
import type { Account, Context, DiscoveredItem, Provider } from '../../contract/provider.ts';
import { hushed } from '../../lib/hushed-transport.ts';
import type { OpenTransport } from '../../lib/transport.ts';
import { DroverError, toDroverError } from '../../model/errors.ts';
import { found, isUuid } from '../rows.ts';
import type { ControlWorld, Db, OpenConnector, Tx } from '../world.ts';
import {
  guardAddresses,
  refuseFolder,
  refuseOwnFiles,
  refuseStrangers,
  refuseUnsafeFields,
  type AddressGuard,
} from './addresses.ts';

/** Only so often is it written down that a connector is used. */
const USED_EVERY_MS = 60_000;

export interface OpenedAccount {
  readonly account: Account;
  readonly guard: AddressGuard;
}

/** CONNECTOR_NOT_FOUND, MASTER_KEY_WRONG, UNSAFE_ADDRESS, and whatever the provider has against the values. */
export function connectorOpener(world: ControlWorld): OpenConnector {
  return async (connectorId, openTransport) => {
    const saved = await readSaved(world, world.db, connectorId);
    const counted = world.serverTraffic?.counting(connectorId, 'server', openTransport, world.clock);
    const { account } = await openAccount(world, saved.provider, saved.config, {
      openTransport: counted ?? openTransport,
      saveAccount: (change) => saveAccount(world, connectorId, change),
    });
    await markUsed(world, connectorId).catch((thrown: unknown) => {
      world.log('debug', 'The use of a connector was not written down.', { reason: toDroverError(thrown).message });
    });
    const { provider, name, plain, version } = saved;
    return { account, provider, name, config: plain, version };
  };
}

export interface SavedConnector {
  readonly name: string;
  readonly version: number;
  readonly provider: Provider;
  readonly plain: Config;
  readonly secrets: Readonly<Record<string, string>>;
  /** Both together. */
  readonly config: Config;
}

export async function readSaved(world: ControlWorld, db: Db | Tx, connectorId: string): Promise<SavedConnector> {
  const row = isUuid(connectorId)
    ? await db.selectFrom('connectors').selectAll().where('id', '=', connectorId).executeTakeFirst()
    : undefined;
  const { name, version, provider, config, secret_id: secretId } = found(row, 'connector', connectorId);
  const secrets = secretId === null ? {} : await world.vault.open(db, secretId);
  const plain = config as Config;
  return { name, version, provider: providerOf(world, provider), plain, secrets, config: { ...plain, ...secrets } };
}

export function providerOf(world: Pick<ControlWorld, 'providers'>, id: string): Provider {
  const provider = world.providers.get(id);
  if (provider !== undefined) return provider;
  const known = [...world.providers.keys()].join(', ');
  throw new DroverError('INVALID_INPUT', `There is no provider "${id}"; there are: ${known}.`, { field: 'provider' });
}

/** Opens without touching the network. The caller disposes of the account. */
export async function openAccount(
  world: ControlWorld,
  provider: Provider,
  config: Config,
  options: Sending,
): Promise<OpenedAccount> {
  const own = {
    ...world.settings,
    programFolder: world.programFolder ?? null,
    settingsFile: world.settingsFile ?? null,
  };
  if (provider.manifest.id === 'local') await refuseFolder(own, config['root']);
  await refuseOwnFiles(own, provider.account, config);
  const { context, guard } = contextFor(world, provider, config, options);
  return { account: await provider.open(config, context), guard };
}

export interface Sending {
  readonly openTransport: OpenTransport;
  readonly saveAccount: (change: Config) => Promise<void>;
}

function contextFor(
  world: ControlWorld,
  provider: Provider,
  config: Config,
  { openTransport, saveAccount: save }: Sending,
): { context: Context; guard: AddressGuard } {
  const { settings, clock, random, log, environment } = world;
  refuseUnsafeFields(settings, provider.account, config);
  refuseStrangers(settings, provider, config);
  const guard = guardAddresses(openTransport, settings, provider.account, config);
  // A store may explain a refusal with what it was sent.
  const quiet = hushed(guard.openTransport, secretValues(provider.account, config));
  return { context: { openTransport: quiet, clock, random, log, environment, saveAccount: save }, guard };
}

/** What a sign-in sees before an account is chosen. UNSUPPORTED where it is one account. */
export async function* discoverAccounts(
  world: ControlWorld,
  provider: Provider,
  config: Config,
  parent: string | null,
  signal: AbortSignal,
): AsyncGenerator<readonly DiscoveredItem[]> {
  if (provider.discover === undefined) {
    throw new DroverError('UNSUPPORTED', `A sign-in to ${provider.manifest.title} is one account.`, {
      remedy: 'There is nothing to choose: "drover ls" shows what is in it.',
    });
  }
  const options = { openTransport: world.openTransport, saveAccount: KEEP_NOTHING };
  await using discovery = await provider.discover(config, contextFor(world, provider, config, options).context);
  yield* discovery.list(parent, signal);
}

/** For values that are not saved: refreshed secrets have nowhere to go. */
export const KEEP_NOTHING = async (): Promise<void> => undefined;

/** What a provider renewed by itself (a token that replaces the one before). */
async function saveAccount(world: ControlWorld, connectorId: string, change: Config): Promise<void> {
  const { db, vault, bus } = world;
  await db.transaction().execute(async (tx) => {
    const row = await tx
      .selectFrom('connectors')
      .selectAll()
      .where('id', '=', connectorId)
      .forUpdate()
      .executeTakeFirst();
    if (row === undefined) return;
    const { plain, secrets } = splitSecrets(providerOf(world, row.provider).account, change);
    const before = row.secret_id === null ? {} : await vault.open(tx, row.secret_id);
    const after = { ...before, ...textsOf(secrets) };
    await tx
      .updateTable('connectors')
      .set({
        config: JSON.stringify({ ...(row.config as Config), ...plain }),
        secret_id: await vault.seal(tx, row.secret_id, after),
        secret_fingerprints: JSON.stringify(fingerprintsOf(world, after)),
      })
      .where('id', '=', connectorId)
      .execute();
    await bus.tell('connector', connectorId, tx);
  });
}

export function fingerprintsOf(
  { vault }: Pick<ControlWorld, 'vault'>,
  secrets: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(secrets).map(([name, value]) => [name, vault.fingerprint(value)]));
}

function textsOf(secrets: Config): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(secrets).map(([name, value]) => [name, String(value)]));
}

async function markUsed({ db, clock }: ControlWorld, connectorId: string): Promise<void> {
  const now = clock.now();
  await db
    .updateTable('connectors')
    .set({ last_used_at: new Date(now) })
    .where('id', '=', connectorId)
    .where((where) =>
      where.or([where('last_used_at', 'is', null), where('last_used_at', '<', new Date(now - USED_EVERY_MS))]),
    )
    .execute();
}
