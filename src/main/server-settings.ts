/** Settings of one call of `serve`, `worker` or another command of the server. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { ServerCall } from '../cli/server-commands.ts';
import { readSettings, type SettingProblem } from '../control/settings/load.ts';
import type { SettingName, Settings } from '../control/settings/settings.ts';
import { DroverError } from '../model/errors.ts';

export interface LoadedSettings {
  readonly settings: Settings;
  /** Where each value that is no default comes from. */
  readonly sources: Readonly<Partial<Record<SettingName, string>>>;
}

/** INVALID_INPUT with all problems at once. */
export function settingsOf(
  call: Pick<ServerCall, 'flags' | 'configPath'>,
  environment: Readonly<Record<string, string | undefined>>,
): LoadedSettings {
  const { flags, configPath } = call;
  const loaded = readSettings({ flags, configPath, environment, defaultDataDir: defaultDataDir(environment) });
  if ('settings' in loaded) return loaded;
  throw new DroverError('INVALID_INPUT', loaded.problems.map(wordsOf).join(' '), {
    field: loaded.problems[0]?.name ?? null,
    remedy: 'Correct the settings that are named; "drover config check" reads them again.',
  });
}

function wordsOf({ name, source, message }: SettingProblem): string {
  return `${name} (${source}): ${message}`;
}

/** The convention of the platform for what a service keeps. */
export function defaultDataDir(environment: Readonly<Record<string, string | undefined>>): string {
  if (process.platform === 'linux' && process.getuid?.() === 0) return '/var/lib/drover';
  const home = homedir();
  if (process.platform === 'darwin') return join(home, 'Library', 'Application Support', 'drover', 'server');
  return join(environment['XDG_STATE_HOME'] || join(home, '.local', 'state'), 'drover', 'server');
}
