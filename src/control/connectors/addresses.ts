/**
 * Where a connector must not lead: to the addresses at which machines of clouds give out credentials, and to folders of
 * this machine that nobody allowed. Loopback and private networks are allowed, because stores of one's own stand there;
 * only admins make connectors.
 */
import { realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve, sep } from 'node:path';
import type { Config, Fields } from '../../contract/fields.ts';
import type { Provider } from '../../contract/provider.ts';
import type { OpenTransport } from '../../lib/transport.ts';
import { isUnsafeAddress } from '../../lib/unsafe-address.ts';
import { DroverError } from '../../model/errors.ts';
import { samplesFolder } from '../samples/folder.ts';
import type { Settings } from '../settings/settings.ts';

export interface AddressGuard {
  /** The transport of the process, looking at every address just before it is connected to. */
  readonly openTransport: OpenTransport;
  /** The first address that was refused; checks of providers tell such things in their own words. */
  refused(): DroverError | null;
}

export function guardAddresses(
  open: OpenTransport,
  settings: Pick<Settings, 'allowLinkLocalEndpoints'>,
  /** To name the field that holds the address. */
  fields: Fields,
  config: Config,
): AddressGuard {
  let refused: DroverError | null = null;
  if (settings.allowLinkLocalEndpoints) return { openTransport: open, refused: () => null };
  const check = (host: string, address: string, isMachine: boolean): void => {
    if (!isUnsafeAddress(host) && !isUnsafeAddress(address)) return;
    if (isMachine && host === address) return;
    const field = addressFields(fields, config).find(([, url]) => bareHost(url) === host)?.[0] ?? null;
    const error = unsafe(host, address, field);
    refused ??= error;
    throw error;
  };
  return {
    openTransport: (network) => {
      // Past every proxy goes only how a sign-in asks the machine itself who it is, at addresses nobody typed in:
      // those of fields were refused before.
      const isMachine = network.proxy === 'never';
      return open({ ...network, checkAddress: (host, address) => check(host, address, isMachine) });
    },
    refused: () => refused,
  };
}

/** UNSAFE_ADDRESS at the first field that holds such an address literally; names are looked at when they are resolved. */
export function refuseUnsafeFields(
  settings: Pick<Settings, 'allowLinkLocalEndpoints'>,
  fields: Fields,
  config: Config,
): void {
  if (settings.allowLinkLocalEndpoints) return;
  for (const [field, url] of addressFields(fields, config)) {
    const host = bareHost(url);
    if (isUnsafeAddress(host)) throw unsafe(host, host, field);
  }
}

/** The same of one address: of whoever is sent messages. */
export function refuseUnsafeUrl(settings: Pick<Settings, 'allowLinkLocalEndpoints'>, url: URL, field: string): void {
  const host = bareHost(url);
  if (!settings.allowLinkLocalEndpoints && isUnsafeAddress(host)) throw unsafe(host, host, field);
}

/**
 * UNSAFE_ADDRESS at a field that would have the machine's identity, or a token that opens more than this connector, sent
 * to somebody else than the cloud it is of.
 */
export function refuseStrangers(
  { trustedEndpoints }: Pick<Settings, 'trustedEndpoints'>,
  { manifest, credentialsReach }: Pick<Provider, 'manifest' | 'credentialsReach'>,
  config: Config,
): void {
  for (const { field, url } of credentialsReach?.(config) ?? []) {
    if (trustedEndpoints.some((trusted) => isHostOf(url, trusted))) continue;
    throw new DroverError(
      'UNSAFE_ADDRESS',
      `${url.host} is no address of ${manifest.title}'s own cloud, and this way to sign in would send it credentials that open more than this connector.`,
      {
        field,
        remedy: `Sign in with a key made for that store, or have the administrator of the server add ${url.host} to DROVER_TRUSTED_ENDPOINTS.`,
      },
    );
  }
}

/** `host`, `host:port`, or `*.domain` for everything below it. */
function isHostOf({ hostname, host }: URL, trusted: string): boolean {
  const wanted = trusted.toLowerCase();
  return wanted.startsWith('*.') ? hostname.endsWith(wanted.slice(1)) : wanted === hostname || wanted === host;
}

/** Fields that hold an address, with what they hold. */
export function addressFields(fields: Fields, config: Config): (readonly [field: string, url: URL])[] {
  return Object.entries(fields).flatMap(([name, field]) => {
    const url = field.type === 'text' && field.format === 'url' ? URL.parse(String(config[name] ?? '')) : null;
    return url === null ? [] : [[name, url] as const];
  });
}

function bareHost(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}

function unsafe(host: string, address: string, field: string | null): DroverError {
  const where = host === address ? host : `${host} (${address})`;
  return new DroverError(
    'UNSAFE_ADDRESS',
    `${where} is an address at which machines in a cloud find their own credentials; Drover does not ask there.`,
    { field },
  );
}

type OwnSettings = Pick<Settings, 'dataDir' | 'masterKeyFile' | 'artifacts'> & {
  /** Where the program lies: whoever may write there runs what they like in it. */
  readonly programFolder?: string | null;
  /** The file of the settings, where one was named: the master key or the address of the database may stand in it. */
  readonly settingsFile?: string | null;
};
type FolderSettings = OwnSettings & Pick<Settings, 'localFolders'>;

/**
 * Who may write here becomes the machine's administrator, and who may read here learns its secrets: `/proc` alone tells
 * the environment of every process of Drover, master key and all.
 */
const SYSTEM_FOLDERS = [
  '/bin',
  '/boot',
  '/dev',
  '/etc',
  '/lib',
  '/lib64',
  '/proc',
  '/sbin',
  '/sys',
  '/usr',
  '/var/spool/cron',
];
/** Files in which the system shows processes, Drover among them. */
const PROCESS_FOLDERS = ['/proc', '/sys', '/dev'];

/** Where Drover's own secrets, database and logs are. */
async function ownPlaces({
  dataDir,
  masterKeyFile,
  artifacts,
  programFolder = null,
  settingsFile = null,
}: OwnSettings): Promise<readonly string[]> {
  const isFolder = artifacts !== null && !/^[a-z][a-z0-9+.-]*:\/\//i.test(artifacts);
  const places = [dataDir, masterKeyFile, isFolder ? artifacts : null, programFolder, settingsFile];
  return Promise.all(places.filter((place) => place !== null).map(realPath));
}

/**
 * INVALID_INPUT at `root` unless the folder may be used. Names are followed to what they lead to, so that a link inside
 * an allowed folder does not lead out of it.
 */
export async function refuseFolder(settings: FolderSettings, root: unknown): Promise<void> {
  if (typeof root !== 'string' || root === '') {
    throw refusedFolder('Name the folder that this connector may use.', settings);
  }
  const real = await realPath(root);
  if (await isSample(settings, real)) return;
  if ((await ownPlaces(settings)).some((own) => isWithin(real, own) || isWithin(own, real))) {
    throw refusedFolder(
      `${root} reaches into the places where Drover keeps its program, its secrets, database or artifacts.`,
      settings,
    );
  }
  if (isWithin(real, '/proc') || isWithin(real, '/sys')) {
    throw refusedFolder(`${root} shows what runs on this machine, which nobody's content lies in.`, settings);
  }
  if (settings.localFolders.length === 0) {
    if (real === '/') throw refusedFolder('The whole machine cannot be one connector.', settings);
    if (!SYSTEM_FOLDERS.some((folder) => isWithin(real, folder))) return;
    throw refusedFolder(`${root} is a folder of the system itself, which nobody's content lies in.`, settings);
  }
  const allowed = await Promise.all(settings.localFolders.map(realPath));
  if (allowed.some((folder) => isWithin(real, folder))) return;
  throw refusedFolder(`${root} lies in none of the folders that connectors may use.`, settings);
}

/**
 * The folder of the sample data, or one in it, unless a link put it elsewhere or a secret lies there. Drover made all that
 * is in it.
 */
async function isSample({ dataDir, ...settings }: FolderSettings, real: string): Promise<boolean> {
  const data = await realPath(dataDir);
  if (!isWithin(real, samplesFolder(data))) return false;
  const others = (await ownPlaces({ ...settings, dataDir })).filter((own) => own !== data);
  return !others.some((own) => isWithin(real, own) || isWithin(own, real));
}

/**
 * INVALID_INPUT at a field that names a file of Drover itself: what is in such a file is sent to whoever is signed in at,
 * and the address of that can be chosen.
 */
export async function refuseOwnFiles(settings: OwnSettings, fields: Fields, config: Config): Promise<void> {
  for (const name of Object.keys(fields).filter((each) => each.endsWith('File'))) {
    const path = config[name];
    if (typeof path !== 'string' || path === '') continue;
    const real = await realPath(path);
    const own = [...(await ownPlaces(settings)), ...PROCESS_FOLDERS];
    if (!own.some((each) => isWithin(real, each))) continue;
    throw new DroverError('INVALID_INPUT', 'This file belongs to Drover itself and is not given away.', {
      field: name,
      remedy: 'Name the file that holds the token.',
    });
  }
}

function refusedFolder(message: string, { localFolders }: Pick<Settings, 'localFolders'>): DroverError {
  const words = localFolders.length === 0 ? 'a folder such as /srv/files' : `a folder in ${localFolders.join(' or ')}`;
  return new DroverError('INVALID_INPUT', message, {
    field: 'root',
    remedy: `Choose ${words}; the setting DROVER_LOCAL_FOLDERS says which may be used.`,
  });
}

/** Of what is not there yet, what is there of its way is followed. */
async function realPath(path: string): Promise<string> {
  const whole = resolve(path);
  try {
    return await realpath(whole);
  } catch {
    const folder = dirname(whole);
    return folder === whole ? whole : join(await realPath(folder), basename(whole));
  }
}

function isWithin(path: string, folder: string): boolean {
  return folder === '/' || path === folder || path.startsWith(folder + sep);
}
