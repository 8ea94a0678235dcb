/** Which addresses are Azure's own, and what would go to others. Pure. */
import type { Config } from '../../contract/fields.ts';
import { chooseAuthorization } from './credentials.ts';

/** Blob services of the public cloud, with zones of DNS, of US Government and of China. */
const BLOB_SUFFIXES = [
  '.blob.core.windows.net',
  '.blob.storage.azure.net',
  '.blob.core.usgovcloudapi.net',
  '.blob.core.chinacloudapi.cn',
];
/** Where one signs in to those clouds. */
const AUTHORITIES: ReadonlySet<string> = new Set([
  'login.microsoftonline.com',
  'login.windows.net',
  'login.microsoftonline.us',
  'login.chinacloudapi.cn',
  'login.partner.microsoftonline.cn',
]);

/**
 * A token of Entra ID opens every storage account that its identity may use, so that it is worth more than the one
 * account it is meant for. What the environment holds (secrets, tokens of workloads) goes to the authority.
 */
export function credentialsReach(config: Config): readonly { readonly field: string; readonly url: URL }[] {
  const kind = chooseAuthorization(config);
  if (kind === 'connection-string' || kind === 'sas' || kind === 'account-key') return [];
  const endpoint = urlOf(config['endpoint']);
  const authority = kind === 'environment' ? urlOf(config['authority']) : null;
  return [
    ...(endpoint === null || isBlobService(endpoint) ? [] : [{ field: 'endpoint', url: endpoint }]),
    ...(authority === null || isAuthority(authority) ? [] : [{ field: 'authority', url: authority }]),
  ];
}

function urlOf(value: unknown): URL | null {
  return typeof value === 'string' ? URL.parse(value.includes('://') ? value : `https://${value}`) : null;
}

function isBlobService({ protocol, hostname }: URL): boolean {
  return protocol === 'https:' && BLOB_SUFFIXES.some((suffix) => hostname.endsWith(suffix));
}

function isAuthority({ protocol, hostname }: URL): boolean {
  return protocol === 'https:' && AUTHORITIES.has(hostname);
}
