/** Giving the identity that is signed in a role on one container, and waiting until the service knows of it. */
import { createHash } from 'node:crypto';
import type { AccountRoles, CheckLine, Place, Use } from '../../contract/provider.ts';
import type { Clock } from '../../lib/world.ts';
import { DroverError } from '../../model/errors.ts';
import type { Arm } from './arm.ts';
import { inQuotes } from './policies.ts';

const ROLES = {
  reader: { name: 'Storage Blob Data Reader', id: '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1' },
  contributor: { name: 'Storage Blob Data Contributor', id: 'ba92f5b4-2d11-453d-a403-e96b0029c9fe' },
} as const;

const WAIT_MS_MAX = 10 * 60_000;
const POLL_FIRST_MS = 2_000;
const POLL_MAX_MS = 20_000;

export interface Granting {
  readonly arm: Arm;
  readonly clock: Clock;
  readonly accountName: string;
  /** Of the application, where a field names it. */
  readonly clientId: string | null;
  check(place: Place, use: Use, signal: AbortSignal): AsyncIterable<CheckLine>;
}

export function accountRoles(granting: Granting): AccountRoles {
  const { accountName, clientId } = granting;
  return {
    nameFor: (use) => roleFor(use).name,
    command: (container, use) =>
      commandFor(roleFor(use).name, `--assignee ${clientId === null ? 'CLIENT_ID' : `"${inQuotes(clientId)}"`}`, {
        account: shownAccount(null, accountName),
        container,
      }),
    assign: (container, use, signal) => assign(granting, { container, prefix: '' }, use, signal),
  };
}

/** Comparing what is there needs the right to read, also at a target. */
function roleFor(use: Use): { readonly name: string; readonly id: string } {
  return use === 'read' ? ROLES.reader : ROLES.contributor;
}

async function assign(granting: Granting, place: Place, use: Use, signal: AbortSignal): Promise<void> {
  if (await isHeld(granting, place, use, signal)) return;
  const { arm, accountName, clientId } = granting;
  const role = roleFor(use);
  const principal = await arm.principal(signal);
  const accountId = await findAccount(arm, accountName, signal);
  const assignee =
    principal === null
      ? `--assignee ${clientId === null ? 'CLIENT_ID' : `"${inQuotes(clientId)}"`}`
      : `--assignee-object-id "${principal.id}" --assignee-principal-type ${principal.type}`;
  const account = shownAccount(accountId, accountName);
  const command = commandFor(role.name, assignee, { account, container: place.container });
  if (principal === null || accountId === null) {
    const why = accountId === null ? 'it does not see the storage account' : 'its own name is not known';
    throw denied(`This identity cannot assign roles: ${why}.`, command, null);
  }
  const scope = `${accountId}/${pathOf(place.container)}`;
  const name = uuidOf(`${scope} ${role.id} ${principal.id}`);
  try {
    await arm.assignRole({ scope, name, roleId: role.id, principal }, signal);
  } catch (thrown) {
    if (!(thrown instanceof DroverError) || thrown.code !== 'PERMISSION_DENIED') throw thrown;
    throw denied('This identity may not assign roles.', command, thrown);
  }
  await waitUntilHeld(granting, place, use, { role: role.name, signal });
}

/** New roles reach the blob service within some minutes. */
async function waitUntilHeld(
  granting: Granting,
  place: Place,
  use: Use,
  { role, signal }: { role: string; signal: AbortSignal },
): Promise<void> {
  const { clock } = granting;
  const endMs = clock.monotonic() + WAIT_MS_MAX;
  for (let delayMs = POLL_FIRST_MS; clock.monotonic() < endMs; delayMs = Math.min(delayMs * 2, POLL_MAX_MS)) {
    if (await isHeld(granting, place, use, signal)) return;
    await clock.sleep(delayMs, signal);
  }
  throw new DroverError('TIMED_OUT', `The role "${role}" was assigned, but the blob service does not know of it yet.`, {
    remedy: 'Wait up to 30 minutes and try again; nothing more has to be granted.',
  });
}

async function isHeld({ check }: Granting, place: Place, use: Use, signal: AbortSignal): Promise<boolean> {
  const lines: CheckLine[] = [];
  for await (const line of check(place, use, signal)) lines.push(line);
  const has = (what: CheckLine['what'], result: CheckLine['result']): boolean =>
    lines.some((line) => line.what === what && line.result === result);
  const broken = lines.find(({ what, result }) => result === 'refused' && (what === 'network' || what === 'container'));
  if (broken !== undefined) {
    throw new DroverError(broken.what === 'network' ? 'UNREACHABLE' : 'PLACE_NOT_FOUND', broken.message, {
      field: broken.field,
      remedy: broken.remedy,
    });
  }
  const reads = has('list', 'ok') && !has('read', 'refused');
  const writes = has('write', 'ok') && !has('delete', 'refused');
  return use === 'read' ? reads : has('list', 'ok') && writes;
}

async function findAccount(arm: Arm, accountName: string, signal: AbortSignal): Promise<string | null> {
  try {
    for await (const subscriptions of arm.subscriptions(signal)) {
      for (const { id } of subscriptions) {
        for await (const accounts of arm.storageAccounts(id, signal)) {
          const found = accounts.find(({ name }) => name === accountName);
          if (found !== undefined) return found.id;
        }
      }
    }
  } catch (thrown) {
    if (!(thrown instanceof DroverError) || thrown.code !== 'PERMISSION_DENIED') throw thrown;
  }
  return null;
}

function commandFor(role: string, assignee: string, on: { account: string; container: string }): string {
  return `az role assignment create --role "${role}" ${assignee} --scope "${on.account}/${pathOf(inQuotes(on.container))}"`;
}

function shownAccount(accountId: string | null, accountName: string): string {
  return accountId ?? `$(az storage account show --name ${accountName} --query id --output tsv)`;
}

function pathOf(container: string): string {
  return `blobServices/default/containers/${container}`;
}

function denied(message: string, command: string, cause: unknown): DroverError {
  return new DroverError('PERMISSION_DENIED', message, {
    cause,
    remedy: `Have somebody who may assign roles run: ${command}`,
    details: { command },
  });
}

/** The same words give the same id, in the form of a UUID made from a name. */
function uuidOf(words: string): string {
  const bytes = createHash('sha256').update(words).digest().subarray(0, 16);
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x50;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
