/** Settings from a file, the environment and flags, in rising order; and every mistake at once, with where it stands. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { LineCounter, parseDocument } from 'yaml';
import { nearest } from '../../lib/nearest.ts';
import { yamlValue } from '../../lib/yaml-value.ts';
import { isElsewhere, parseArtifactAddress } from '../artifacts/address.ts';
import { listWords } from './kinds.ts';
import { defaultSettings, flagOf, SETTING_NAMES, settingOf, variableOf } from './settings.ts';
import type { SettingName, Settings } from './settings.ts';

export interface SettingProblem {
  /** Of the setting, or the unknown word that was written. */
  readonly name: string;
  /** `drover.yaml, line 3`, `DROVER_LISTEN in the environment`, `--listen`. */
  readonly source: string;
  readonly message: string;
}

export interface LoadInput {
  /** `null`: there is none. */
  readonly file: { readonly path: string; readonly text: string } | null;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** By the names of settings (`publicUrl`), as words or lists of words. */
  readonly flags: Readonly<Record<string, unknown>>;
  /** The data folder when nobody names one. */
  readonly defaultDataDir: string;
}

export type Loaded =
  | { readonly settings: Settings; readonly sources: Readonly<Partial<Record<SettingName, string>>> }
  | { readonly problems: readonly SettingProblem[] };

export const SETTINGS_FILE = 'drover.yaml';

/** Reads `--config`, or the settings file in the data folder if there is one, and loads all. */
export function readSettings(input: Omit<LoadInput, 'file'> & { readonly configPath: string | null }): Loaded {
  const named = input.flags['dataDir'] ?? input.environment[variableOf('dataDir')] ?? input.defaultDataDir;
  const path = input.configPath ?? join(String(named), SETTINGS_FILE);
  try {
    return loadSettings({ ...input, file: { path, text: readFileSync(path, 'utf8') } });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const isAbsent = code === 'ENOENT' || code === 'ENOTDIR';
    if (isAbsent && input.configPath === null) return loadSettings({ ...input, file: null });
    if (code === undefined) throw error;
    const message = isAbsent ? `There is no file ${path}.` : `The file ${path} cannot be read (${code}).`;
    return { problems: [{ name: 'config', source: input.configPath === null ? path : '--config', message }] };
  }
}

/** Pure. */
export function loadSettings(input: LoadInput): Loaded {
  const problems: SettingProblem[] = [];
  const words = new Map<SettingName, { raw: unknown; source: string }>();
  const layers = [
    readFile(input.file, problems),
    readEnvironment(input.environment, problems),
    readFlags(input.flags, problems),
  ];
  for (const layer of layers) for (const [name, word] of layer) words.set(name, word);
  const values: Partial<Record<SettingName, unknown>> = { ...defaultSettings(input.defaultDataDir) };
  const sources: Partial<Record<SettingName, string>> = {};
  for (const [name, { raw, source }] of words) {
    const parsed = settingOf(name).parse(raw);
    if ('complaint' in parsed) problems.push({ name, source, message: parsed.complaint });
    else values[name] = parsed.value;
    sources[name] = source;
  }
  const settings = { ...values, dataDir: resolve(String(values.dataDir)) } as Settings;
  if (problems.length === 0) problems.push(...contradictions(settings, sources));
  return problems.length > 0 ? { problems } : { settings, sources };
}

/** What "drover config check" shows: each setting with where it comes from, and secrets only as being there. */
export function describeSettings(
  loaded: Extract<Loaded, { settings: Settings }>,
): readonly { readonly name: SettingName; readonly value: string; readonly source: string }[] {
  return SETTING_NAMES.map((name) => ({
    name,
    value: valueWords(name, loaded.settings[name]),
    source: loaded.sources[name] ?? 'default',
  }));
}

export function valueWords(name: SettingName, value: unknown): string {
  if (value === null || (Array.isArray(value) && value.length === 0)) return '';
  if (settingOf(name).isSecret) return '(set; not shown)';
  if (name === 'listen') {
    const { host, port } = value as Settings['listen'];
    return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  }
  return Array.isArray(value) ? listWords(value as string[]) : String(value);
}

type Layer = ReadonlyMap<SettingName, { readonly raw: unknown; readonly source: string }>;

function readFile(file: LoadInput['file'], problems: SettingProblem[]): Layer {
  const found = new Map<SettingName, { raw: unknown; source: string }>();
  if (file === null) return found;
  const lines = new LineCounter();
  // Pretty errors would show the line, which may hold a secret.
  const document = parseDocument(file.text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number): string => `${file.path}, line ${lines.linePos(offset).line}`;
  for (const error of document.errors) {
    problems.push({ name: 'config', source: at(error.pos[0]), message: `This is no valid YAML: ${error.message}` });
  }
  if (document.errors.length > 0 || document.contents === null) return found;
  const items = (document.contents as { items?: unknown }).items;
  const read = yamlValue(document, lines);
  if ('fault' in read) {
    const { line, message } = read.fault;
    problems.push({ name: 'config', source: `${file.path}, line ${line}`, message });
    return found;
  }
  const content = read.value;
  if (!Array.isArray(items) || content === null || typeof content !== 'object' || Array.isArray(content)) {
    problems.push({
      name: 'config',
      source: file.path,
      message: 'Give one line per setting, such as "listen: 0.0.0.0:80".',
    });
    return found;
  }
  const offsets = new Map(items.map((item: PairLike) => [String(item.key.value), item.key.range?.[0] ?? 0]));
  for (const [name, raw] of Object.entries(content)) {
    const source = at(offsets.get(name) ?? 0);
    if (!isSettingName(name)) problems.push({ name, source, message: unknownWords(name, SETTING_NAMES) });
    // "listen:" with nothing after it leaves the setting as it is.
    else if (raw !== null) found.set(name, { raw, source });
  }
  return found;
}

interface PairLike {
  readonly key: { readonly value: unknown; readonly range?: readonly number[] };
}

/** Variables of other parts of Drover: the command line, connectors, tests. */
const FOREIGN_VARIABLES =
  /^DROVER_(CONNECTOR_.*|ARTIFACTS_.+|TEST_.*|SERVER|TOKEN|TOKEN_FILE|INSECURE_HTTP|PLAIN|STATE|CONFIG|NODE)$/;

function readEnvironment(environment: LoadInput['environment'], problems: SettingProblem[]): Layer {
  const found = new Map<SettingName, { raw: unknown; source: string }>();
  const variables = new Map(SETTING_NAMES.map((name) => [variableOf(name), name]));
  for (const [variable, raw] of Object.entries(environment)) {
    const name = variables.get(variable);
    const source = `${variable} in the environment`;
    // Compose files and shells set variables to nothing where there is nothing to say.
    if (name !== undefined && raw !== undefined && raw !== '') found.set(name, { raw, source });
    if (name !== undefined || !variable.startsWith('DROVER_') || FOREIGN_VARIABLES.test(variable)) continue;
    problems.push({ name: variable, source: 'environment', message: unknownWords(variable, [...variables.keys()]) });
  }
  return found;
}

function readFlags(flags: LoadInput['flags'], problems: SettingProblem[]): Layer {
  const found = new Map<SettingName, { raw: unknown; source: string }>();
  for (const [name, raw] of Object.entries(flags)) {
    if (raw === undefined) continue;
    if (isSettingName(name)) found.set(name, { raw, source: flagOf(name) });
    else problems.push({ name, source: 'flags', message: unknownWords(name, SETTING_NAMES) });
  }
  return found;
}

/** Settings that fit one by one and not together. */
function contradictions(settings: Settings, sources: Partial<Record<SettingName, string>>): SettingProblem[] {
  const problems: SettingProblem[] = [];
  const complain = (name: SettingName, message: string): void =>
    void problems.push({ name, source: sources[name] ?? 'default', message });
  if (settings.masterKey !== null && settings.masterKeyFile !== null) {
    complain('masterKeyFile', 'Give either masterKey or masterKeyFile, not both.');
  }
  if (settings.masterKeyKmsEndpoint !== null && settings.masterKeyKms === null) {
    complain('masterKeyKmsEndpoint', 'It needs masterKeyKms, the key that is there.');
  }
  if (settings.masterKeyKmsEndpoint !== null && isInTheOpen(settings.masterKeyKmsEndpoint)) {
    complain('masterKeyKmsEndpoint', 'Give an address that begins with https://: the master key comes back over it.');
  }
  if (settings.oidcIssuer !== null && settings.oidcClientId === null) {
    complain('oidcIssuer', 'It needs oidcClientId, the client that is registered there.');
  }
  if (settings.oidcIssuer === null && (settings.oidcClientId !== null || settings.oidcClientSecret !== null)) {
    complain(settings.oidcClientId === null ? 'oidcClientSecret' : 'oidcClientId', 'It needs oidcIssuer.');
  }
  if (settings.smtpUrl !== null && settings.mailFrom === null) complain('smtpUrl', 'It needs mailFrom, the sender.');
  if (isElsewhere(settings.artifacts) && parseArtifactAddress(settings.artifacts) === null) {
    complain('artifacts', 'Name a folder, s3://BUCKET/PREFIX or azure-blob://ACCOUNT/CONTAINER/PREFIX.');
  }
  return problems;
}

/** Plain HTTP to another machine; to this one it is for stand-ins. */
function isInTheOpen(address: string): boolean {
  const url = URL.parse(address);
  return url?.protocol === 'http:' && !/^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(url.hostname);
}

function isSettingName(name: string): name is SettingName {
  return Object.hasOwn(SETTING_INDEX, name);
}

const SETTING_INDEX: Readonly<Record<string, true>> = Object.fromEntries(SETTING_NAMES.map((name) => [name, true]));

function unknownWords(name: string, known: readonly string[]): string {
  const meant = nearest(name, known);
  return meant === null ? 'There is no such setting.' : `There is no such setting; did you mean ${meant}?`;
}
