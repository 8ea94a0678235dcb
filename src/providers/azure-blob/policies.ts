/** What to paste into a shell so that an identity, or a signature, may do what is wanted and nothing more. */
import type { PolicyRequest, PolicyText } from '../../contract/provider.ts';
import type { SignIn } from './credentials.ts';

export function azurePolicies(signIn: SignIn, request: PolicyRequest): readonly PolicyText[] {
  if (request.kind === 'names') return [namesText(signIn, request)];
  if (request.kind !== 'iam' && request.kind !== 'iam-full') return [];
  const texts = [roleText(signIn, request)];
  if (request.kind === 'iam') texts.push(signatureText(signIn, request));
  return texts;
}

/** Between double quotes of a shell: what somebody named is text there, and no command (also `$web` and `$logs`). */
export function inQuotes(text: string): string {
  return text.replaceAll(/["\\$`]/g, '\\$&');
}

function roleText(signIn: SignIn, request: PolicyRequest): PolicyText {
  const role = request.kind === 'iam-full' ? 'Storage Blob Data Owner' : roleFor(request);
  const account = `ACCOUNT_ID=$(az storage account show --name ${signIn.accountName} --query id --output tsv)`;
  const scopes =
    request.containers.length === 0 || request.kind === 'iam-full'
      ? ['$ACCOUNT_ID']
      : request.containers.map((container) => `$ACCOUNT_ID/blobServices/default/containers/${inQuotes(container)}`);
  const principal = inQuotes(request.trustedPrincipal ?? 'CLIENT_ID');
  const grants = scopes.map(
    (scope) => `az role assignment create --role "${role}" \\\n  --assignee "${principal}" \\\n  --scope "${scope}"`,
  );
  return {
    title: `Role "${role}" for the identity`,
    language: 'text',
    text: [account, ...grants, ...networkRules(signIn, request)].join('\n') + '\n',
  };
}

/** Tags may be read and written only by owners; restoring changes a tier, which is a write. */
function roleFor(request: PolicyRequest): string {
  if (request.withTags) return 'Storage Blob Data Owner';
  const writes = request.use !== 'read' || request.withRestore;
  return writes ? 'Storage Blob Data Contributor' : 'Storage Blob Data Reader';
}

function networkRules(signIn: SignIn, request: PolicyRequest): string[] {
  return request.sourceAddresses.map(
    (address) =>
      `az storage account network-rule add --account-name ${signIn.accountName} --ip-address "${inQuotes(address)}"`,
  );
}

function signatureText(signIn: SignIn, request: PolicyRequest): PolicyText {
  const permissions = signaturePermissions(request);
  const [address] = request.sourceAddresses;
  const common = [
    `--account-name ${signIn.accountName}`,
    `--permissions ${permissions}`,
    '--https-only',
    '--expiry "$(date -u -d \'+7 days\' +%Y-%m-%dT%H:%MZ)"',
    ...(address === undefined ? [] : [`--ip "${inQuotes(address)}"`]),
    '--output tsv',
  ];
  const commands =
    request.containers.length === 0
      ? [['az storage account generate-sas', '--services b', '--resource-types sco', ...common]]
      : request.containers.map((container) => [
          'az storage container generate-sas',
          `--name "${inQuotes(container)}"`,
          ...common,
        ]);
  return {
    title: `Shared access signature with the permissions ${permissions}`,
    language: 'text',
    text: commands.map((words) => `${words.join(' \\\n  ')}\n`).join(''),
  };
}

/** Letters in the order the service wants them. */
export function signaturePermissions(request: Pick<PolicyRequest, 'use' | 'withTags' | 'withRestore'>): string {
  const writes = request.use !== 'read';
  const letters = ['r'];
  if (writes) letters.push('a', 'c');
  if (writes || request.withRestore) letters.push('w');
  if (writes) letters.push('d');
  letters.push('l');
  if (request.withTags) letters.push('t');
  return letters.join('');
}

function namesText(signIn: SignIn, request: PolicyRequest): PolicyText {
  const rows = [
    `Connector: azure-${signIn.accountName}`,
    `App registration: drover-${signIn.accountName}`,
    ...request.containers.map((container) => `Endpoint: ${signIn.accountName}-${container}`),
    `Description: Drover ${request.use === 'read' ? 'reads from' : 'writes to'} ${request.containers.join(', ') || 'all containers'} of ${signIn.accountName}`,
    ...Object.entries(request.tags).map(([name, value]) => `Tag: ${name}=${value}`),
  ];
  return { title: 'Suggested names', language: 'text', text: `${rows.join('\n')}\n` };
}
