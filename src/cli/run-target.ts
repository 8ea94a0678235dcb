/** The target of a run that is on record, opened again. */
import type { Account } from '../contract/provider.ts';
import type { RunRecord } from '../engine/ports.ts';
import { DroverError } from '../model/errors.ts';
import { findConnector, localConnector, openAccount } from './connectors.ts';
import { parsePlace } from './place.ts';
import type { Side } from './requests.ts';
import type { Session } from './session.ts';

/** CONNECTOR_NOT_FOUND, or what signing in fails with. */
export async function openTargetAccount(session: Session, run: RunRecord, side: Side): Promise<Account> {
  const { connector: name, label } = run.definition.target;
  const connector = parsePlace(label).kind === 'local' ? localConnector(session) : await findConnector(session, name);
  return openAccount(session, connector, side.openTransport);
}

/** CONNECTOR_NOT_FOUND when the connector's name means another account by now. */
export function refuseOtherAccount(run: RunRecord, account: Account): void {
  const { connector, fingerprint, label } = run.definition.target;
  if (account.fingerprint === fingerprint) return;
  throw new DroverError(
    'CONNECTOR_NOT_FOUND',
    `The connector "${connector}" is for another account now than when run ${run.runId} wrote to ${label}.`,
    { remedy: 'Correct the connector, or add one for the old account under this name.' },
  );
}
