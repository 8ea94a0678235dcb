/** What the documentation is made of: the providers that people can choose, and a world that nothing is done in. */
import { flagOf, SETTING_NAMES, settingOf } from '../../src/control/settings/settings.ts';
import type { CliWorld } from '../../src/cli/world.ts';
import type { Provider } from '../../src/contract/provider.ts';
import { azureBlob } from '../../src/providers/azure-blob/provider.ts';
import { local } from '../../src/providers/local/provider.ts';
import { s3 } from '../../src/providers/s3/provider.ts';

export const PROVIDERS: readonly Provider[] = [s3, azureBlob, local];

/** Enough to build the commands; whoever tries to run one is told that this is the wrong place. */
export function silentWorld(version: string): CliWorld {
  const never = (): never => {
    throw new Error('Commands are only described here.');
  };
  const stream = { isTerminal: false, columns: () => 80, write: async () => undefined };
  return {
    version,
    stdout: stream,
    stderr: stream,
    prompt: null,
    environment: {},
    clock: { now: () => 0, monotonic: () => 0, sleep: never },
    random: never as unknown as CliWorld['random'],
    openTransport: never,
    providers: PROVIDERS,
    stateFolder: '',
    server: async () => Promise.reject(new Error('no server while docs are made')),
    settingFlags: SETTING_NAMES.map((name) => ({ name, flag: flagOf(name), help: settingOf(name).help })),
    readInput: async () => '',
    openState: never,
    openClient: never,
    saveFile: never,
    workingFolder: '',
    homeFolder: '',
    readTextFile: never,
    readBytes: never,
    locale: 'en-US',
    timeZone: 'UTC',
    onStop: never,
    exitNow: never,
  };
}
