/** Making connectors and signing them in again. Nothing is saved unless the sign-in works. */
import type { CheckLine, Provider } from '../../contract/provider.ts';
import { DroverError, toDroverError } from '../../model/errors.ts';
import { changesOf, makeAudit } from '../audit.ts';
import type { Actor, ConnectorLimits } from '../entities.ts';
import { newId } from '../ids.ts';
import { lockVersion, stampOf } from '../rows.ts';
import type { ConnectorInput, ReauthorizeHow } from '../services.ts';
import type { ControlWorld } from '../world.ts';
import { collectCheck, streamCheck } from './checking.ts';
import { judge, type Verdict } from './check.ts';
import { checkAccountId, checkTags, cloudOf, nextSyncAfter } from './cloud.ts';
import { parseForm, type ParsedConfig } from './fields.ts';
import { requireMembers } from './inventory.ts';
import { keepMoves, moveChanges, refuseMove, refuseWhileUnended, whereLed } from './moving.ts';
import { named } from './names.ts';
import { fingerprintsOf, KEEP_NOTHING, openAccount, providerOf, readSaved } from './open.ts';
import { rowOf, type CloudRow } from './rows.ts';

export const NO_LIMITS: ConnectorLimits = { requestsPerSecond: null, transfersMax: null };
const REQUESTS_PER_SECOND_MAX = 100_000;
const TRANSFERS_MAX = 10_000;
const SIGN_IN_MS_MAX = 60_000;

/** The id of the new connector. `title`: what it is called where no name was given; the provider's own otherwise. */
export async function authorize(
  world: ControlWorld,
  actor: Actor,
  input: ConnectorInput,
  title?: string,
): Promise<string> {
  const { db, bus, vault, clock } = world;
  const provider = providerOf(world, input.provider);
  const cloud = cloudOf(input);
  const tags = checkTags(input.tags ?? {});
  const limits = checkLimits(input.limits ?? NO_LIMITS);
  const parsed = parseForm(provider, input.config, null);
  const signedIn = await signIn(world, provider, parsed, cloud);
  const id = newId(world);
  await named(db, input.name, title ?? provider.manifest.title, (name) =>
    db.transaction().execute(async (tx) => {
      const hasSecrets = Object.keys(parsed.secrets).length > 0;
      await tx
        .insertInto('connectors')
        .values({
          id,
          ...stampOf(actor, clock.now()),
          ...columnsOf(world, parsed, signedIn),
          name,
          provider: input.provider,
          secret_id: hasSecrets ? await vault.seal(tx, null, parsed.secrets) : null,
          tags: JSON.stringify(tags),
          limits: JSON.stringify(limits),
          cloud: cloud === null ? null : JSON.stringify(cloud),
          next_sync_at: nextSyncAfter(cloud, null, clock.now()),
        })
        .execute();
      const changes = { provider: [null, input.provider], config: [null, parsed.plain], tags: [null, tags] } as const;
      const line = { action: 'connector.authorize', entityKind: 'connector', entityId: id, entityName: name };
      await makeAudit(clock)(tx, actor, { ...line, changes });
      await bus.tell('connector', id, tx);
    }),
  );
  return id;
}

/**
 * The same form again. Endpoints and jobs stay as they are, and what waited for the connector goes on. GUARD_CONFIRM
 * where their places would be others then, WRONG_STATE while runs between them have not ended.
 */
export async function reauthorize(
  world: ControlWorld,
  actor: Actor,
  id: string,
  version: number | null,
  given: ConnectorInput['config'],
  { acceptMove = false }: ReauthorizeHow = {},
): Promise<void> {
  const { db, bus, vault, clock } = world;
  const saved = await readSaved(world, db, id);
  const parsed = parseForm(saved.provider, given, saved);
  const before = await rowOf(db, id);
  const signedIn = await signIn(world, saved.provider, parsed, before.cloud as CloudRow | null);
  if (signedIn.fingerprint !== before.fingerprint) await requirePlaces(world, id, saved.provider, parsed);
  const accounts = { from: judge(before.check_lines as CheckLine[], null).accountId, to: signedIn.verdict.accountId };
  const led = await whereLed(world, id, saved, parsed.config, accounts);
  if (!acceptMove) await refuseMove(db, id, saved.name, led);
  await db.transaction().execute(async (tx) => {
    const now = await lockVersion(tx, 'connectors', id, version, 'connector');
    await refuseWhileUnended(tx, led);
    const { secret_id: secretId, name } = await rowOf(tx, id);
    const hasSecrets = Object.keys(parsed.secrets).length > 0;
    const sealedId = hasSecrets ? await vault.seal(tx, secretId, parsed.secrets) : null;
    const columns = columnsOf(world, parsed, signedIn);
    await tx
      .updateTable('connectors')
      .set({ ...columns, secret_id: sealedId, version: now + 1, updated_at: new Date(clock.now()) })
      .where('id', '=', id)
      .execute();
    if (!hasSecrets && secretId !== null) await vault.remove(tx, secretId);
    await keepMoves(tx, led);
    const changes = changesOf(
      { ...saved.plain, ...secretWords(world, saved.secrets) },
      { ...parsed.plain, ...secretWords(world, parsed.secrets) },
    );
    const line = { action: 'connector.reauthorize', entityKind: 'connector', entityId: id, entityName: name };
    await makeAudit(clock)(tx, actor, { ...line, changes: { ...changes, ...moveChanges(led) } });
    await bus.tell('connector', id, tx);
  });
}

function secretWords(world: ControlWorld, secrets: Readonly<Record<string, string>>): Record<string, string> {
  const prints = Object.entries(fingerprintsOf(world, secrets));
  return Object.fromEntries(prints.map(([name, print]) => [`${name} (fingerprint)`, print]));
}

interface SignedIn {
  readonly lines: readonly unknown[];
  readonly verdict: Verdict;
  readonly fingerprint: string;
}

/** INVALID_INPUT at the field that is at fault, UNREACHABLE, UNSAFE_ADDRESS. */
async function signIn(
  world: ControlWorld,
  provider: Provider,
  { config }: ParsedConfig,
  cloud: CloudRow | null,
): Promise<SignedIn> {
  const signal = AbortSignal.timeout(SIGN_IN_MS_MAX);
  const check = streamCheck(world, provider, config, { place: null, use: 'read' }, signal);
  const { lines, verdict } = await collectCheck(check).catch((thrown: unknown) => {
    if (!signal.aborted) throw atField(thrown);
    throw new DroverError('UNREACHABLE', `${provider.manifest.title} did not answer in time.`, { cause: thrown });
  });
  if (verdict.refusal !== null) throw verdict.refusal;
  if (cloud !== null) checkAccountId(cloud, verdict.accountId);
  const options = { openTransport: world.openTransport, saveAccount: KEEP_NOTHING };
  const { account } = await openAccount(world, provider, config, options);
  await using opened = account;
  if (cloud?.accountType === 'organization') requireMembers(opened);
  return { lines, verdict, fingerprint: opened.fingerprint };
}

/** A sign-in that is refused while the account is opened is a wrong field like any other. */
function atField(thrown: unknown): DroverError {
  const error = toDroverError(thrown);
  if (error.code !== 'UNAUTHENTICATED' && error.code !== 'CREDENTIALS_EXPIRED') return error;
  const { field, remedy } = error;
  return new DroverError('INVALID_INPUT', error.message, { field, remedy, cause: thrown });
}

const PLACES_LOOKED_AT = 50;

/**
 * Other credentials may lead to another account. Jobs must not go on there as if nothing had happened: each bucket or
 * container that endpoints name has to be there. INVALID_INPUT names one that is not.
 */
async function requirePlaces(world: ControlWorld, id: string, provider: Provider, parsed: ParsedConfig): Promise<void> {
  const rows = await world.db.selectFrom('endpoints').select('place').where('connector_id', '=', id).execute();
  const containers = new Set(rows.map(({ place }) => (JSON.parse(place) as { container: string }).container));
  const options = { openTransport: world.openTransport, saveAccount: KEEP_NOTHING };
  const { account } = await openAccount(world, provider, parsed.config, options);
  await using opened = account;
  for (const container of [...containers].slice(0, PLACES_LOOKED_AT)) {
    try {
      const signal = AbortSignal.timeout(SIGN_IN_MS_MAX);
      await using _source = await opened.source({ container, prefix: '' }, { versions: 'current' }, signal);
    } catch (thrown) {
      if (!(thrown instanceof DroverError) || thrown.code !== 'PLACE_NOT_FOUND') continue;
      throw new DroverError(
        'INVALID_INPUT',
        `These credentials lead to another account: the ${provider.manifest.containerWord} "${container}", which endpoints of this connector use, is not there.`,
        { cause: thrown, remedy: 'Use credentials of the same account, or make a new connector for the other one.' },
      );
    }
  }
}

function columnsOf(world: ControlWorld, parsed: ParsedConfig, { lines, verdict, fingerprint }: SignedIn) {
  return {
    config: JSON.stringify(parsed.plain),
    secret_fingerprints: JSON.stringify(fingerprintsOf(world, parsed.secrets)),
    fingerprint,
    signed_in_as: verdict.actingAs,
    health: 'healthy',
    health_reason: null,
    checked_at: new Date(world.clock.now()),
    check_lines: JSON.stringify(lines),
    check_place: null,
  };
}

export function checkLimits(limits: ConnectorLimits): ConnectorLimits {
  const { requestsPerSecond, transfersMax } = limits;
  const fits = (value: number | null, max: number): boolean =>
    value === null || (Number.isInteger(value) && value >= 1 && value <= max);
  if (!fits(requestsPerSecond, REQUESTS_PER_SECOND_MAX)) {
    throw outside('limits.requestsPerSecond', `Give a whole number from 1 to ${REQUESTS_PER_SECOND_MAX}, or nothing.`);
  }
  if (!fits(transfersMax, TRANSFERS_MAX)) {
    throw outside('limits.transfersMax', `Give a whole number from 1 to ${TRANSFERS_MAX}, or nothing.`);
  }
  return { requestsPerSecond, transfersMax };
}

function outside(field: string, message: string): DroverError {
  return new DroverError('INVALID_INPUT', message, { field });
}
