/** Every setting of the server and its workers: one table. Names, variables, flags, checks and docs follow from it. */
import { isIP } from 'node:net';
import { address, choice, list, secret, size, text, url, urlComplaint, whole, yesOrNo } from './kinds.ts';
import type { Setting } from './kinds.ts';
import { wrappedKeyOf } from './wrapped-key.ts';

const MIB = 1024 * 1024;
export const MASTER_KEY_BYTES = 32;

export const SETTINGS = {
  listen: address(
    {
      section: 'Server',
      help: 'Where the server listens. Other machines can reach it only when this is not a loopback address.',
    },
    { host: '127.0.0.1', port: 7070 },
  ),
  publicUrl: url(
    {
      section: 'Server',
      help: 'The address that people use, where it is not the one listened on. Links in mails and sign-in by OpenID Connect need it; once it is set, browsers are answered under no other name.',
      example: 'https://drover.example.com',
    },
    ['https', 'http'],
  ),
  allowedHosts: list(
    {
      section: 'Server',
      help: 'Names under which the server is reached beside that of `publicUrl`; `*.` and a domain for all names in it. Requests of browsers under other names are refused as soon as this or `publicUrl` is set, and always on the loopback address. IP addresses and `localhost` are fine.',
      example: 'drover, drover.internal.example.com',
    },
    (each) =>
      /^(?:\*\.)?(?:[a-z0-9_-]+\.)*[a-z0-9_-]+$/i.test(each)
        ? null
        : 'Give names without scheme and port, such as drover.internal.example.com.',
  ),
  trustedProxies: list(
    {
      section: 'Server',
      help: 'Addresses or ranges of reverse proxies whose `X-Forwarded-…` headers are believed.',
      example: '10.0.0.0/8, 127.0.0.1',
    },
    (each) => (isAddressRange(each) ? null : 'Give IP addresses or ranges, such as 10.0.0.0/8.'),
  ),
  insecureCookies: yesOrNo({
    section: 'Server',
    help: 'People may sign in over plain HTTP from other machines. Only for a network that is trusted.',
  }),
  bodyBytesMax: size(
    { section: 'Server', help: 'The largest body of a request.' },
    { min: 64 * 1024, max: 64 * MIB, fallback: MIB },
  ),

  dataDir: text({
    section: 'Storage of its own',
    help: 'The folder for the embedded database, artifacts and the master key. By default the folder where programs keep their state: `/var/lib/drover` for root.',
    example: '/var/lib/drover',
  }),
  databaseUrl: secret(
    {
      section: 'Storage of its own',
      variable: 'DATABASE_URL',
      help: 'A PostgreSQL of your own, 15 or newer. Left out, the server starts one in the data folder.',
      example: 'postgres://drover:…@db.example.com:5432/drover?sslmode=verify-full',
    },
    (value) => urlComplaint(value, ['postgres', 'postgresql']),
  ),
  databasePoolMax: whole(
    { section: 'Storage of its own', help: 'Connections to the database that one process may hold.' },
    { min: 2, max: 100, fallback: 10 },
  ),
  artifacts: text({
    section: 'Storage of its own',
    help: 'Where item logs, snapshots and reports are kept: a folder, `s3://BUCKET/PREFIX` or `azure-blob://ACCOUNT/CONTAINER/PREFIX` that all servers and workers see. The sign-in comes from the environment, as the tools of the provider take it, or from `DROVER_ARTIFACTS_` with the name of a field of the connector, such as `DROVER_ARTIFACTS_ENDPOINT`. By default `artifacts` in the data folder.',
    example: 's3://drover-artifacts/production',
  }),
  artifactRetentionDays: whole(
    {
      section: 'Storage of its own',
      help: 'Item logs and reports are removed after so many days. The latest snapshot and manifest of a transfer never are.',
    },
    { min: 1, max: 3650, fallback: 90 },
  ),
  masterKey: secret(
    {
      section: 'Storage of its own',
      help: 'The key that wraps all secrets: 32 bytes in base64, such as `openssl rand -base64 32` makes. Left out, the server makes one in the data folder. Backups of the database do not hold it.',
    },
    (value) =>
      isMasterKey(value) || wrappedKeyOf(value) !== null
        ? null
        : 'Give 32 bytes in base64, such as "openssl rand -base64 32" makes.',
  ),
  masterKeyFile: text({
    section: 'Storage of its own',
    help: 'A file that holds the master key; instead of `masterKey`.',
    example: '/etc/drover/master.key',
  }),
  masterKeyKms: text({
    section: 'Storage of its own',
    help: 'A key of AWS KMS (its ARN or that of an alias) or of Azure Key Vault (`https://VAULT.vault.azure.net/keys/KEY`) that wraps the master key: `masterKey` or its file then holds what `drover vault wrap` made, and the server asks that service at its start.',
    example: 'arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab',
  }),
  masterKeyKmsEndpoint: url(
    {
      section: 'Storage of its own',
      help: 'The address of AWS KMS, where it is a private endpoint.',
      example: 'https://vpce-1a2b-3c4d.kms.eu-central-1.vpce.amazonaws.com',
    },
    ['https', 'http'],
  ),

  workerName: text({
    section: 'Workers',
    help: 'The name of this worker in lists and logs. By default the name of the machine.',
  }),
  localWorkers: whole(
    { section: 'Workers', help: 'Workers that the server starts by itself. With 0 it only directs others.' },
    { min: 0, max: 64, fallback: 1 },
  ),
  runsMax: whole(
    {
      section: 'Workers',
      help: 'Runs that may be under way at a time, over all workers; the others wait in a queue. Those that a store or a limit holds back do not count for runs of other connectors, up to four times as many in all. What the server that started last was given holds for all.',
    },
    { min: 1, max: 1000, fallback: 10 },
  ),
  runsPerWorkerMax: whole(
    {
      section: 'Workers',
      help: 'Runs that one worker takes part in at a time. Those that a store or a limit holds back do not count, up to four times as many in all.',
    },
    { min: 1, max: 100, fallback: 4 },
  ),

  sessionLifetimeHours: whole(
    {
      section: 'Sign-in',
      help: 'After so many hours without use a person has to sign in again; after 30 days in any case.',
    },
    { min: 1, max: 8760, fallback: 24 },
  ),
  signInAttemptsMax: whole(
    {
      section: 'Sign-in',
      help: 'Failed attempts to sign in as one person from one network before further ones have to wait; three times as many as one person from everywhere, ten times as many from one network. Each further failure makes the wait longer: half a minute at first, at most the window.',
    },
    { min: 1, max: 1000, fallback: 10 },
  ),
  signInWindowMinutes: whole(
    { section: 'Sign-in', help: 'So long failed attempts are remembered, and so long at most one has to wait.' },
    { min: 1, max: 1440, fallback: 15 },
  ),
  oidcIssuer: url(
    {
      section: 'Sign-in',
      help: 'The issuer of OpenID Connect with which people sign in.',
      example: 'https://login.example.com/realms/main',
    },
    ['https', 'http'],
  ),
  oidcClientId: text({ section: 'Sign-in', help: 'The client that is registered there for Drover.' }),
  oidcClientSecret: secret({
    section: 'Sign-in',
    help: 'Its secret. Left out for a public client.',
  }),
  oidcAllowedDomains: list(
    {
      section: 'Sign-in',
      help: 'Only people whose verified e-mail address ends with one of these may sign in that way. Left out: everybody whom the issuer knows.',
      example: 'example.com',
    },
    (each) => (/^[^\s@]+\.[^\s@.]+$/.test(each) ? null : 'Give domains, such as example.com.'),
  ),
  oidcDefaultRole: choice(
    { section: 'Sign-in', help: 'The role of people who sign in that way for the first time.' },
    ['viewer', 'operator', 'admin'],
    'viewer',
  ),

  smtpUrl: secret(
    {
      section: 'Mail',
      help: 'The mail server. Left out, no mail is sent.',
      example: 'smtps://user:…@mail.example.com:465',
    },
    (value) => urlComplaint(value, ['smtp', 'smtps']),
  ),
  mailFrom: text({
    section: 'Mail',
    help: 'The sender of mails.',
    example: 'Drover <drover@example.com>',
  }),

  allowLinkLocalEndpoints: yesOrNo({
    section: 'Network',
    help: 'Connectors and webhooks may use link-local addresses, where machines in a cloud find their own credentials.',
  }),

  trustedEndpoints: list(
    {
      section: 'Network',
      help: "Hosts beside the clouds' own to which connectors may send what opens more than themselves: the identity, environment and files of this machine, and tokens of Entra ID. A host, a host with its port, or `*.` and a domain for all hosts in it.",
      example: 'objects.example.com, *.blob.internal.example.com',
    },
    (each) =>
      /^(?:\*\.)?(?:[a-z0-9-]+\.)*[a-z0-9-]+(?::\d{1,5})?$/i.test(each) || /^\[[0-9a-f:.]+\](?::\d{1,5})?$/i.test(each)
        ? null
        : 'Give hosts without a scheme, such as objects.example.com or *.internal.example.com.',
  ),

  localFolders: list(
    {
      section: 'Server',
      help: 'Connectors to folders of this machine must lie in one of these. Left out, an admin may name any folder but the whole machine, those of the system (such as `/etc`), and those of Drover itself.',
      example: '/srv/files, /mnt/archive',
    },
    (each) => (each.startsWith('/') ? null : 'Give absolute paths, such as /srv/files.'),
  ),

  logLevel: choice(
    { section: 'Observability', help: 'The least important lines to write.' },
    ['debug', 'info', 'warn', 'error'],
    'info',
  ),
  logFormat: choice(
    { section: 'Observability', help: 'Lines for people, or one JSON object per line for programs.' },
    ['text', 'json'],
    'text',
  ),
  otlpEndpoint: url(
    {
      section: 'Observability',
      variable: 'OTEL_EXPORTER_OTLP_ENDPOINT',
      help: 'An OpenTelemetry collector that takes traces by OTLP over HTTP, without `/v1/traces`. Left out, nothing is traced.',
      example: 'http://127.0.0.1:4318',
    },
    ['https', 'http'],
  ),
  otlpTracesEndpoint: url(
    {
      section: 'Observability',
      variable: 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
      help: 'The same, to the last word; instead of `otlpEndpoint`.',
      example: 'https://traces.example.com/v1/traces',
    },
    ['https', 'http'],
  ),
  otlpHeaders: secret({
    section: 'Observability',
    variable: 'OTEL_EXPORTER_OTLP_HEADERS',
    help: 'Headers that the collector wants, such as its token: `name=value`, separated by commas, percent-encoded.',
    example: 'authorization=Bearer%20…',
  }),
} as const satisfies Readonly<Record<string, Setting<never> | Setting<unknown>>>;

export type SettingName = keyof typeof SETTINGS;

type ValueOf<S> = S extends Setting<infer T> ? T : never;

/** All settings. `dataDir` is always known once they are loaded. */
export type Settings = { readonly [N in Exclude<SettingName, 'dataDir'>]: ValueOf<(typeof SETTINGS)[N]> } & {
  readonly dataDir: string;
};

export const SETTING_NAMES = Object.keys(SETTINGS) as readonly SettingName[];

export function settingOf(name: SettingName): Setting<unknown> {
  return SETTINGS[name] as Setting<unknown>;
}

/** In the environment: `DROVER_LISTEN`. */
export function variableOf(name: SettingName): string {
  return settingOf(name).variable ?? `DROVER_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

/** On the command line: `--listen`. */
export function flagOf(name: SettingName): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** The defaults, for a data folder. */
export function defaultSettings(dataDir: string): Settings {
  const entries = SETTING_NAMES.map((name) => [name, settingOf(name).fallback]);
  return { ...(Object.fromEntries(entries) as Settings), dataDir };
}

export function isMasterKey(base64: string): boolean {
  return /^[A-Za-z0-9+/]{43}=$/.test(base64) && Buffer.from(base64, 'base64').length === MASTER_KEY_BYTES;
}

function isAddressRange(word: string): boolean {
  const [host = '', bits, ...rest] = word.split('/');
  const version = isIP(host);
  if (version === 0 || rest.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128));
}
