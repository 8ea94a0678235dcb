/** The fields of an S3 connector, and the settings they amount to. */
import type { Config, Fields } from '../../contract/fields.ts';
import { DroverError } from '../../model/errors.ts';

const KEYS = ['auto', 'access-key', 'iam-role'];
const ROLES = ['auto', 'iam-role', 'web-identity'];

export const s3Fields = {
  authorization: {
    type: 'choice',
    label: 'Authorization type',
    help: 'How Drover signs in; left at Automatic it follows from the fields that are filled in.',
    default: 'auto',
    choices: [
      {
        value: 'auto',
        label: 'Automatic',
        help: 'A role where one is named, else an access key, else the standard chain.',
      },
      { value: 'access-key', label: 'Access Key', help: 'The key pair of an IAM user, or temporary credentials.' },
      {
        value: 'iam-role',
        label: 'IAM role',
        help: 'A role in your account that trusts the identity Drover signs with.',
      },
      {
        value: 'web-identity',
        label: 'Web identity',
        help: 'A role assumed with an OpenID Connect token from a file.',
      },
      { value: 'chain', label: 'Standard chain or profile', help: 'What the AWS tools would use on this machine.' },
    ],
  },
  accessKeyId: {
    type: 'text',
    label: 'Access Key ID',
    help: 'The ID of the access key, for example AKIAIOSFODNN7EXAMPLE.',
    optional: true,
    pattern: '[!-~]{1,128}',
    example: 'AKIAIOSFODNN7EXAMPLE',
    when: { field: 'authorization', in: KEYS },
  },
  secretAccessKey: {
    type: 'secret',
    label: 'Secret Access Key',
    help: 'The secret that belongs to the access key; it is stored encrypted and never shown again.',
    optional: true,
    when: { field: 'authorization', in: KEYS },
  },
  sessionToken: {
    type: 'secret',
    label: 'Session token',
    help: 'Only for temporary credentials: the token that came with them.',
    optional: true,
    advanced: true,
    when: { field: 'authorization', in: KEYS },
  },
  profile: {
    type: 'text',
    label: 'Profile',
    help: 'A profile of the AWS configuration files on this machine, for example "backup".',
    optional: true,
    advanced: true,
    when: { field: 'authorization', in: ['auto', 'chain', 'iam-role'] },
  },
  roleArn: {
    type: 'text',
    label: 'IAM role ARN',
    help: 'The role to assume, for example arn:aws:iam::123456789012:role/drover.',
    optional: true,
    pattern: 'arn:[a-z0-9-]+:iam:[a-z0-9-]*:[0-9]*:role/[!-~]+',
    example: 'arn:aws:iam::123456789012:role/drover',
    when: { field: 'authorization', in: ROLES },
  },
  externalId: {
    type: 'text',
    label: 'External ID',
    help: "The external ID that the role's trust policy demands; without one the role can be misused through others.",
    optional: true,
    pattern: '[\\w+=,.@:/-]{2,1224}',
    when: { field: 'authorization', in: ['auto', 'iam-role'] },
  },
  webIdentityTokenFile: {
    type: 'text',
    label: 'Web identity token file',
    help: 'The file that holds the OpenID Connect token; it is read again before every renewal.',
    optional: true,
    advanced: true,
    when: { field: 'authorization', in: ['auto', 'web-identity'] },
  },
  region: {
    type: 'text',
    label: 'Region',
    help: 'The region to begin with, for example eu-central-1; the region of each bucket is found by itself.',
    optional: true,
    pattern: '[a-z0-9-]{2,40}',
    example: 'eu-central-1',
  },
  endpoint: {
    type: 'text',
    format: 'url',
    label: 'Endpoint',
    help: 'The address of an S3-compatible store or of a private endpoint; empty for Amazon S3 itself.',
    optional: true,
    example: 'https://objects.example.com',
  },
  stsEndpoint: {
    type: 'text',
    format: 'url',
    label: 'STS endpoint',
    help: 'The address for signing in with roles; empty: that of the region, or the endpoint of a compatible store.',
    optional: true,
    advanced: true,
  },
  pathStyle: {
    type: 'flag',
    label: 'Path style',
    help: 'Always put the bucket into the path; otherwise only where an address or a bucket name needs it.',
    default: false,
    advanced: true,
  },
  bucket: {
    type: 'text',
    label: 'Restrict to bucket',
    help: 'The only bucket this connector may touch; needed where the key may not list all buckets.',
    optional: true,
    lengthMin: 1,
    lengthMax: 255,
  },
  prefix: {
    type: 'text',
    label: 'Restrict to path',
    help: 'The only folder of that bucket this connector may touch, for example archive/2019.',
    optional: true,
    lengthMax: 1023,
  },
  downloadThreads: {
    type: 'number',
    label: 'Download threads',
    help: 'How many requests may run at a time; empty: Drover chooses.',
    optional: true,
    min: 1,
    max: 1000,
  },
  requesterPays: {
    type: 'flag',
    label: 'Requester pays',
    help: 'Accept the charges for requests and traffic of buckets that demand it.',
    default: false,
    advanced: true,
  },
  expectedBucketOwner: {
    type: 'text',
    label: 'Expected bucket owner',
    help: 'The account ID (12 digits) that must own the bucket; requests are refused if another one does.',
    optional: true,
    advanced: true,
    pattern: '[0-9]{12}',
  },
  encryption: {
    type: 'choice',
    label: 'Server-side encryption',
    help: 'How new objects are encrypted; "Default of the bucket" leaves it to the bucket.',
    default: 'none',
    advanced: true,
    choices: [
      { value: 'none', label: 'Default of the bucket' },
      { value: 'SSE-S3', label: 'SSE-S3', help: 'With keys of the store.' },
      { value: 'SSE-KMS', label: 'SSE-KMS', help: 'With a key of the key management service.' },
      { value: 'SSE-C', label: 'SSE-C', help: 'With a key of your own; it is also used for reading.' },
    ],
  },
  kmsKeyId: {
    type: 'text',
    label: 'KMS key',
    help: 'ID or ARN of the key for SSE-KMS; empty: the default key of the account.',
    optional: true,
    advanced: true,
    when: { field: 'encryption', in: ['SSE-KMS'] },
  },
  customerKey: {
    type: 'secret',
    label: 'SSE-C key',
    help: 'The customer key as base64 of 32 bytes; it encrypts what is written and decrypts what is read.',
    optional: true,
    advanced: true,
    when: { field: 'encryption', in: ['SSE-C'] },
  },
  storageClass: {
    type: 'text',
    label: 'Storage class',
    help: 'The storage class of new objects, for example STANDARD_IA; empty: the default of the store.',
    optional: true,
    advanced: true,
    pattern: '[A-Z0-9_]{1,40}',
  },
  caCertificate: {
    type: 'text',
    multiline: true,
    label: 'CA certificate',
    help: 'PEM text of a certificate authority to trust in addition to those of the system.',
    optional: true,
    advanced: true,
  },
} as const satisfies Fields;

export type Authorization = 'access-key' | 'iam-role' | 'web-identity' | 'chain';
export type Encryption = 'none' | 'SSE-S3' | 'SSE-KMS' | 'SSE-C';

export interface S3Settings {
  readonly authorization: Authorization;
  readonly accessKeyId: string | null;
  readonly secretAccessKey: string | null;
  readonly sessionToken: string | null;
  readonly profile: string | null;
  readonly roleArn: string | null;
  readonly externalId: string | null;
  readonly webIdentityTokenFile: string | null;
  readonly region: string | null;
  readonly endpoint: string | null;
  readonly stsEndpoint: string | null;
  readonly pathStyle: boolean;
  readonly bucket: string | null;
  /** `''` or ends with `/`. */
  readonly prefix: string;
  readonly downloadThreads: number | null;
  readonly requesterPays: boolean;
  readonly expectedBucketOwner: string | null;
  readonly encryption: Encryption;
  readonly kmsKeyId: string | null;
  /** base64 of 32 bytes. */
  readonly customerKey: string | null;
  readonly storageClass: string | null;
  readonly caCertificate: string | null;
}

/** INVALID_INPUT names the field that is missing or does not fit the others. */
export function settingsOf(config: Config): S3Settings {
  const text = (name: keyof typeof s3Fields): string | null => {
    const value = config[name];
    return value === undefined || value === '' ? null : String(value);
  };
  const prefix = text('prefix') ?? '';
  const settings: S3Settings = {
    authorization: authorizationOf(text),
    accessKeyId: text('accessKeyId'),
    secretAccessKey: text('secretAccessKey'),
    sessionToken: text('sessionToken'),
    profile: text('profile'),
    roleArn: text('roleArn'),
    externalId: text('externalId'),
    webIdentityTokenFile: text('webIdentityTokenFile'),
    region: text('region'),
    endpoint: urlOf(text('endpoint'), 'endpoint'),
    stsEndpoint: urlOf(text('stsEndpoint'), 'stsEndpoint'),
    pathStyle: config['pathStyle'] === true,
    bucket: text('bucket'),
    prefix: prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`,
    downloadThreads: typeof config['downloadThreads'] === 'number' ? config['downloadThreads'] : null,
    requesterPays: config['requesterPays'] === true,
    expectedBucketOwner: text('expectedBucketOwner'),
    encryption: (text('encryption') ?? 'none') as Encryption,
    kmsKeyId: text('kmsKeyId'),
    customerKey: text('customerKey'),
    storageClass: text('storageClass'),
    caCertificate: text('caCertificate'),
  };
  checkTogether(settings);
  return settings;
}

function authorizationOf(text: (name: keyof typeof s3Fields) => string | null): Authorization {
  const chosen = text('authorization');
  if (chosen !== null && chosen !== 'auto') return chosen as Authorization;
  if (text('webIdentityTokenFile') !== null) return 'web-identity';
  if (text('roleArn') !== null) return 'iam-role';
  if (text('accessKeyId') !== null || text('secretAccessKey') !== null) return 'access-key';
  return 'chain';
}

function checkTogether(settings: S3Settings): void {
  const { authorization } = settings;
  if (authorization === 'access-key' && settings.accessKeyId === null) {
    throw missing('accessKeyId', 'An access key needs its Access Key ID.');
  }
  if (settings.accessKeyId !== null && settings.secretAccessKey === null) {
    throw missing('secretAccessKey', 'The Secret Access Key that belongs to the Access Key ID is missing.');
  }
  if (settings.secretAccessKey !== null && settings.accessKeyId === null) {
    throw missing('accessKeyId', 'The Access Key ID that belongs to the Secret Access Key is missing.');
  }
  if ((authorization === 'iam-role' || authorization === 'web-identity') && settings.roleArn === null) {
    throw missing('roleArn', 'The ARN of the role to assume is missing.');
  }
  if (authorization === 'web-identity' && settings.webIdentityTokenFile === null) {
    throw missing('webIdentityTokenFile', 'The file with the web identity token is not named.');
  }
  if (settings.prefix !== '' && settings.bucket === null) {
    throw missing('bucket', 'A connector that is restricted to a path must be restricted to a bucket too.');
  }
  if (settings.encryption === 'SSE-C') {
    const length = Buffer.from(settings.customerKey ?? '', 'base64').length;
    if (length !== 32)
      throw missing('customerKey', `The SSE-C key must be base64 of 32 bytes; this one holds ${length}.`);
  }
}

function urlOf(text: string | null, field: string): string | null {
  if (text === null) return null;
  const url = URL.canParse(text) ? new URL(text) : null;
  const fits =
    url !== null && /^https?:$/.test(url.protocol) && url.search === '' && url.hash === '' && url.username === '';
  if (!fits) {
    // A user and a password in it must not be repeated.
    const shown = text.replace(/\/\/[^/]*@/, '//').replace(/[?#].*$/, '');
    throw missing(field, `"${shown}" is not an address alone, such as https://objects.example.com.`);
  }
  return text.replace(/\/+$/, '');
}

function missing(field: string, message: string): DroverError {
  return new DroverError('INVALID_INPUT', message, { field });
}
