/** What other tools' configuration files mean as connectors. Pure. */
import { reveal } from './obscure.ts';
import { isConnectorName } from './place.ts';

/** One section of a file: a connector, or why it cannot become one. */
export type Imported =
  | {
      readonly name: string;
      readonly provider: string;
      readonly fields: Readonly<Record<string, string>>;
      /** Settings that have no counterpart here; one sentence each. */
      readonly notes: readonly string[];
    }
  | { readonly name: string; readonly provider: null; readonly reason: string };

type Section = Readonly<Record<string, string>>;

/** Profiles of `~/.aws/credentials` and `~/.aws/config`. Both texts may be empty. */
export function importAws(credentials: string, config: string): readonly Imported[] {
  const profiles = new Map<string, Record<string, string>>();
  for (const [name, section] of sectionsOf(config)) {
    const profile = name === 'default' ? name : /^profile\s+(.+)$/.exec(name)?.[1];
    if (profile !== undefined) profiles.set(profile, { ...section });
  }
  for (const [name, section] of sectionsOf(credentials)) {
    profiles.set(name, { ...profiles.get(name), ...section });
  }
  return [...profiles].map(([profile, section]) => awsProfile(profile, section));
}

/** Remotes of `rclone.conf`. An encrypted file gives one entry that says so. */
export function importRclone(text: string): readonly Imported[] {
  if (text.startsWith('# Encrypted rclone configuration File') || text.includes('RCLONE_ENCRYPT_V0:')) {
    const reason = 'the file is encrypted; write it out with "rclone config show" and import that';
    return [{ name: 'rclone.conf', provider: null, reason }];
  }
  return sectionsOf(text).map(([remote, section]) => {
    const name = connectorName(remote);
    switch (section['type']) {
      case 's3':
        return s3Remote(name, section);
      case 'azureblob':
        return azureRemote(name, section);
      case 'local':
        return { name, provider: null, reason: 'local paths need no connector; write the path itself' };
      case 'alias':
        return { name, provider: null, reason: `it only stands for ${section['remote'] ?? 'another remote'}` };
      default:
        return { name, provider: null, reason: `Drover has no provider for the type "${section['type'] ?? ''}"` };
    }
  });
}

/** A name that can stand before a colon; characters that cannot become `-`. */
export function connectorName(text: string): string {
  const name = text
    .replace(/[^A-Za-z0-9_-]+/g, '-')
    .replace(/^[^A-Za-z]+/, '')
    .replace(/-+$/, '');
  if (isConnectorName(name)) return name;
  return name === '' ? 'imported' : `${name}-imported`;
}

/** Keys come along; everything else that signs in stays with the AWS files and is named. */
function awsProfile(profile: string, section: Section): Imported {
  const name = connectorName(profile);
  const region = fieldsOf({ region: section['region'], endpoint: section['endpoint_url'] });
  if (filled(section['role_arn'])) {
    const fields = fieldsOf({
      authorization: 'iam-role',
      profile: section['source_profile'],
      roleArn: section['role_arn'],
      externalId: section['external_id'] ?? '',
    });
    if (filled(section['web_identity_token_file'])) {
      const own = { authorization: 'web-identity', webIdentityTokenFile: section['web_identity_token_file'] };
      return { name, provider: 's3', fields: fieldsOf({ ...region, roleArn: section['role_arn'], ...own }), notes: [] };
    }
    return { name, provider: 's3', fields: { ...fields, ...region }, notes: mfaNotes(section) };
  }
  if (filled(section['aws_access_key_id']) && filled(section['aws_secret_access_key'])) {
    const fields = fieldsOf({
      authorization: 'access-key',
      accessKeyId: section['aws_access_key_id'],
      secretAccessKey: section['aws_secret_access_key'],
      sessionToken: section['aws_session_token'],
    });
    const notes = filled(section['aws_session_token']) ? ['its key is temporary and will stop working'] : [];
    return { name, provider: 's3', fields: { ...fields, ...region }, notes };
  }
  if (filled(section['sso_session']) || filled(section['sso_start_url']) || filled(section['credential_process'])) {
    const fields = fieldsOf({ authorization: 'chain', profile });
    return {
      name,
      provider: 's3',
      fields: { ...fields, ...region },
      notes: ['it signs in through the AWS profile itself'],
    };
  }
  return { name, provider: null, reason: 'the profile holds no credentials' };
}

function mfaNotes(section: Section): readonly string[] {
  return filled(section['mfa_serial']) ? ['the role asks for a one-time code, which Drover cannot give'] : [];
}

const S3_KNOWN = new Set(
  (
    'type provider env_auth access_key_id secret_access_key session_token profile region endpoint force_path_style ' +
    'requester_pays storage_class server_side_encryption sse_kms_key_id role_arn role_external_id acl ' +
    'location_constraint bucket_acl no_check_bucket'
  ).split(' '),
);

function s3Remote(name: string, section: Section): Imported {
  if (section['v2_auth'] === 'true') {
    return { name, provider: null, reason: 'it signs with version 2, which Drover does not speak' };
  }
  const usesChain = section['env_auth'] === 'true' && !filled(section['access_key_id']);
  const isAmazon = !filled(section['endpoint']);
  const endpoint = filled(section['endpoint']) ? withScheme(section['endpoint'] as string) : undefined;
  const encryption = { AES256: 'SSE-S3', 'aws:kms': 'SSE-KMS' }[section['server_side_encryption'] ?? ''];
  const fields = fieldsOf({
    authorization: filled(section['role_arn']) ? 'iam-role' : usesChain ? 'chain' : 'access-key',
    accessKeyId: section['access_key_id'],
    secretAccessKey: section['secret_access_key'],
    sessionToken: section['session_token'],
    profile: usesChain ? section['profile'] : undefined,
    roleArn: section['role_arn'],
    externalId: section['role_external_id'],
    region: section['region'] === 'other-v2-signature' ? undefined : section['region'],
    endpoint,
    // Most compatible stores have no names for their buckets.
    pathStyle: isAmazon || section['force_path_style'] === 'false' ? undefined : 'true',
    requesterPays: section['requester_pays'] === 'true' ? 'true' : undefined,
    storageClass: section['storage_class'],
    encryption,
    kmsKeyId: encryption === 'SSE-KMS' ? section['sse_kms_key_id'] : undefined,
  });
  if (!usesChain && !filled(section['access_key_id']) && !filled(section['role_arn'])) {
    return { name, provider: null, reason: 'it signs in without credentials, which Drover does not do' };
  }
  const notes = filled(section['sse_customer_key']) ? ['its customer key (SSE-C) was left out; add it by hand'] : [];
  return { name, provider: 's3', fields, notes: [...notes, ...unknownSettings(section, S3_KNOWN)] };
}

const AZURE_KNOWN = new Set(
  (
    'type account key sas_url connection_string endpoint tenant client_id client_secret env_auth use_msi ' +
    'msi_client_id access_tier client_certificate_path client_certificate_password username password'
  ).split(' '),
);

function azureRemote(name: string, section: Section): Imported {
  if (section['use_emulator'] === 'true') {
    return { name, provider: null, reason: 'it is an emulator; give its endpoint and key as a connector of its own' };
  }
  if (filled(section['username']) || filled(section['password'])) {
    return { name, provider: null, reason: 'it signs in as a person; use an app registration or a key' };
  }
  const sas = filled(section['sas_url']) ? URL.parse(section['sas_url'] as string) : null;
  const common = {
    accountName: section['account'] ?? sas?.hostname.split('.')[0],
    endpoint: filled(section['endpoint']) ? withScheme(section['endpoint'] as string) : sas?.origin,
    accessTier: { hot: 'Hot', cool: 'Cool', cold: 'Cold', archive: 'Archive' }[
      (section['access_tier'] ?? '').toLowerCase()
    ],
  };
  const notes: string[] = [];
  const ways = (): Record<string, string | undefined> | null => {
    if (filled(section['connection_string'])) {
      return { authorization: 'connection-string', connectionString: section['connection_string'] };
    }
    if (sas !== null) {
      const container = sas.pathname.replace(/^\/|\/$/g, '');
      return {
        authorization: 'sas',
        sasToken: sas.search.slice(1),
        container: container === '' ? undefined : container,
      };
    }
    if (filled(section['key'])) return { authorization: 'account-key', accountKey: section['key'] };
    if (filled(section['client_secret'])) {
      const { tenant, client_id: clientId, client_secret: clientSecret } = section;
      return { authorization: 'client-secret', tenantId: tenant, clientId, clientSecret };
    }
    if (filled(section['client_certificate_path'])) {
      const password = section['client_certificate_password'];
      notes.push(
        `its certificate is in ${section['client_certificate_path']}; put the PEM text into --client-certificate` +
          (filled(password) && reveal(password as string) !== '' ? ' (without its password)' : ''),
      );
      return null;
    }
    if (section['use_msi'] === 'true') return { authorization: 'managed-identity', clientId: section['msi_client_id'] };
    return section['env_auth'] === 'true' ? { authorization: 'environment' } : null;
  };
  const way = ways();
  if (way === null) return { name, provider: null, reason: notes[0] ?? 'the remote holds no credentials' };
  const fields = fieldsOf({ ...(way['connectionString'] === undefined ? common : {}), ...way });
  return { name, provider: 'azure-blob', fields, notes: unknownSettings(section, AZURE_KNOWN) };
}

function unknownSettings(section: Section, known: ReadonlySet<string>): readonly string[] {
  const unknown = Object.keys(section).filter(
    (key) => !known.has(key) && filled(section[key]) && section[key] !== 'false',
  );
  return unknown.length === 0 ? [] : [`these settings have no counterpart and were left out: ${unknown.join(', ')}`];
}

/**
 * Sections of `name = value` lines. Not the `ini` package, which ends a value at `#` or `;` and takes quotes and
 * backslashes out: secrets hold such characters, and neither tool gives them a meaning.
 */
function sectionsOf(text: string): readonly (readonly [string, Section])[] {
  const sections: [string, Record<string, string>][] = [];
  for (const line of text.replace(/^\ufeff/, '').split(/\r?\n/)) {
    const head = /^\s*\[(.+)\]\s*$/.exec(line)?.[1];
    if (head !== undefined) sections.push([head.trim(), {}]);
    // Indented lines are a nested table of the AWS files, which nothing here needs.
    const [, key, value] = /^([^\s#;=][^=]*?)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    const section = sections.at(-1)?.[1];
    if (head === undefined && section !== undefined && key !== undefined) section[key] = withoutQuotes(value ?? '');
  }
  return sections;
}

function withoutQuotes(value: string): string {
  return /^(["`]).*\1$/.test(value) && value.length >= 2 ? value.slice(1, -1) : value;
}

function withScheme(endpoint: string): string {
  return /^https?:\/\//i.test(endpoint) ? endpoint : `https://${endpoint}`;
}

function fieldsOf(given: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const entries = Object.entries(given).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return Object.fromEntries(entries.filter(([name, value]) => value !== '' || name === 'externalId'));
}

function filled(value: string | undefined): boolean {
  return value !== undefined && value !== '';
}
