/** Members of an organization that become connectors of their own. */
import { DroverError } from '../../model/errors.ts';
import type { Actor, ConnectorLimits, Tags } from '../entities.ts';
import type { ConnectorInput } from '../services.ts';
import type { ControlWorld } from '../world.ts';
import { authorize } from './authorize.ts';
import { membersOf } from './inventory.ts';
import { KEEP_NOTHING, openAccount, readSaved } from './open.ts';
import { rowOf, type CloudRow } from './rows.ts';

/** The id of the new connector. */
export async function addAccount(
  world: ControlWorld,
  actor: Actor,
  connectorId: string,
  accountId: string,
  signal: AbortSignal,
): Promise<string> {
  const row = await rowOf(world.db, connectorId);
  const cloud = row.cloud as CloudRow | null;
  if (cloud?.accountType !== 'organization') {
    throw new DroverError('WRONG_STATE', `The connector "${row.name}" does not stand for an organization.`, {
      remedy: 'Choose a connector whose account type is organization.',
    });
  }
  const { provider, config } = await readSaved(world, world.db, connectorId);
  const options = { openTransport: world.openTransport, saveAccount: KEEP_NOTHING };
  const { account } = await openAccount(world, provider, config, options);
  await using head = account;
  const member = (await membersOf(head, signal)).find(({ id }) => id === accountId);
  if (member === undefined) {
    throw new DroverError(
      'ENTITY_NOT_FOUND',
      `The organization of "${row.name}" has no account ${accountId} that is in use.`,
      { remedy: 'Choose one of the accounts that the connector lists.' },
    );
  }
  const { accountType: _, lastSyncAt: _at, lastSyncError: _error, ...choices } = cloud;
  const input: ConnectorInput = {
    provider: provider.manifest.id,
    config: { ...config, ...member.fills },
    tags: row.tags as Tags,
    limits: row.limits as ConnectorLimits,
    cloud: { ...choices, accountType: 'single', accountId },
  };
  return authorize(world, actor, input, titleOf(member));
}

/** Neither ":" nor "/" can stand in a connector's name; nor may it be too long. */
function titleOf({ id, name }: { readonly id: string; readonly name: string }): string {
  const title = name.replaceAll(/[:/\s\p{Cc}]+/gu, ' ').trim();
  return title === '' ? id : title.slice(0, 80).trim();
}
