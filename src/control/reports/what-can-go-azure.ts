/** What can go of an Azure container and of what let Drover in there. */
import { option, quoted } from './shell.ts';
import { whyNotAll, type CanGo, type SourceToLeave } from './what-can-go.ts';

/**
 * Without `--delete-snapshots` a blob that has snapshots is refused, and where the account keeps versions a deletion
 * leaves them: what was not copied is not deleted. A container would go with all of that, so it is only deleted where the
 * same line finds that nothing is left in it.
 */
export function blobContent(source: SourceToLeave): CanGo[] {
  const { place, config, fingerprint } = source;
  const { container, prefix } = place;
  const account = accountOf(config, fingerprint);
  const at = `${account === null ? ' --account-name ACCOUNT' : option('--account-name', account)}${option('--blob-endpoint', config['endpoint'])} --auth-mode login`;
  const hint =
    account === null
      ? ' ACCOUNT: the name of the storage account; "az storage account list" shows those you may see.'
      : '';
  const title = prefix === '' ? `The blobs of the container "${container}"` : `The blobs below "${prefix}"`;
  const why = whyNotAll(source);
  if (why !== null) return [{ title, detail: `${why}${hint}`, command: null }];
  const name = quoted(container);
  const pattern = prefix === '' ? '' : ` --pattern ${quoted(`${asPattern(prefix)}*`)}`;
  const blobs = {
    title,
    detail: `As they are now. One that has snapshots is refused, and old versions stay: Drover has not copied them.${hint}`,
    command: `az storage blob delete-batch --source ${name}${pattern}${at}`,
  };
  if (prefix !== '') return [blobs];
  return [
    blobs,
    {
      title: `The container "${container}"`,
      detail:
        'Only where nothing is left in it, no snapshot and no old version either: else this does nothing. What is left was not copied.',
      command: `test "$(az storage blob list --container-name ${name} --include sv --num-results 1 --query 'length(@)' --output tsv${at})" = 0 && az storage container delete --name ${name}${at}`,
    },
  ];
}

export function azureAccess({ config, fingerprint }: SourceToLeave): CanGo[] {
  const authorization = String(config['authorization'] ?? 'auto');
  const clientId = String(config['clientId'] ?? '');
  if (clientId !== '') {
    const isManaged = authorization === 'managed-identity';
    const assignments = {
      title: 'The roles that were assigned to Drover',
      detail: 'All of them, if nothing else signs in with this identity.',
      command: `for id in $(az role assignment list --assignee ${quoted(clientId)} --all --query '[].id' --output tsv); do az role assignment delete --ids "$id"; done`,
    };
    if (isManaged) return [assignments];
    const detail = 'If nothing else signs in with it; its secrets and certificates go with it.';
    return [
      assignments,
      { title: `The app registration ${clientId}`, detail, command: `az ad app delete --id ${quoted(clientId)}` },
    ];
  }
  if (!['auto', 'account-key', 'connection-string', 'sas'].includes(authorization)) return [];
  const account = accountOf(config, fingerprint);
  const name = account === null ? 'ACCOUNT' : quoted(account);
  return [
    {
      title: 'The account key that let Drover in, or that signed what did',
      detail:
        'Whatever else uses this key stops too, and every shared access signature made with it. RESOURCE-GROUP: "az storage account list --output table" shows it beside the name. KEY: key1 or key2, whichever it was.',
      command: `az storage account keys renew --account-name ${name} --resource-group RESOURCE-GROUP --key KEY`,
    },
  ];
}

/** Also of a connection string, which is a secret, the account's name is known. */
function accountOf(config: SourceToLeave['config'], fingerprint: string): string | null {
  const given = config['accountName'];
  if (typeof given === 'string' && given !== '') return given;
  const [provider, , name = ''] = fingerprint.split(' ');
  return provider === 'azure-blob' && name !== '' ? name : null;
}

/** What a pattern would take for a wildcard is itself: the command must not delete more than what was copied. */
function asPattern(text: string): string {
  return text.replaceAll(/[*?[]/g, '[$&]');
}
