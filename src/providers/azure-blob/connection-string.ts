/** Connection strings as the portal shows them, and the emulator's short form. */
import { DroverError } from '../../model/errors.ts';

export interface ConnectionString {
  readonly accountName: string | null;
  readonly accountKey: string | null;
  readonly sasToken: string | null;
  /** Address of the blob service, without a trailing slash; `null` when it follows from the account's name. */
  readonly endpoint: string | null;
}

const EMULATOR: ConnectionString = {
  accountName: 'devstoreaccount1',
  // The emulator's key is public and the same everywhere.
  accountKey: 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==',
  sasToken: null,
  endpoint: 'http://127.0.0.1:10000/devstoreaccount1',
};

/** INVALID_INPUT on the field `connectionString` when it cannot be used for blobs. */
export function parseConnectionString(text: string): ConnectionString {
  const parts = splitParts(text);
  if (parts.get('usedevelopmentstorage')?.toLowerCase() === 'true') return EMULATOR;
  const accountName = parts.get('accountname') ?? null;
  const accountKey = parts.get('accountkey') ?? null;
  const sasToken = parts.get('sharedaccesssignature')?.replace(/^\?/, '') ?? null;
  const explicit = parts.get('blobendpoint')?.replace(/\/+$/, '') ?? null;
  if (accountKey === null && sasToken === null) {
    throw problem('The connection string holds neither an AccountKey nor a SharedAccessSignature.');
  }
  if (accountKey !== null && accountName === null) throw problem('The connection string holds no AccountName.');
  if (accountName === null && explicit === null) {
    throw problem('The connection string holds neither an AccountName nor a BlobEndpoint.');
  }
  return { accountName, accountKey, sasToken, endpoint: explicit ?? derivedEndpoint(parts, accountName) };
}

function splitParts(text: string): Map<string, string> {
  const parts = new Map<string, string>();
  for (const piece of text.split(';')) {
    const trimmed = piece.trim();
    if (trimmed === '') continue;
    const at = trimmed.indexOf('=');
    if (at <= 0)
      throw problem('The connection string has a part without "=": it must look like "AccountName=…;AccountKey=…".');
    parts.set(trimmed.slice(0, at).trim().toLowerCase(), trimmed.slice(at + 1).trim());
  }
  if (parts.size === 0) throw problem('The connection string is empty.');
  return parts;
}

function derivedEndpoint(parts: ReadonlyMap<string, string>, accountName: string | null): string | null {
  const suffix = parts.get('endpointsuffix');
  const protocol = parts.get('defaultendpointsprotocol')?.toLowerCase();
  if (protocol !== undefined && protocol !== 'https' && protocol !== 'http') {
    throw problem(`The connection string names the protocol "${protocol}"; it must be https or http.`);
  }
  if (accountName === null || (suffix === undefined && protocol === undefined)) return null;
  return `${protocol ?? 'https'}://${accountName}.blob.${suffix ?? 'core.windows.net'}`;
}

function problem(message: string): DroverError {
  return new DroverError('INVALID_INPUT', message, {
    field: 'connectionString',
    remedy: 'Copy the whole connection string from the portal: storage account, Security + networking, Access keys.',
  });
}
