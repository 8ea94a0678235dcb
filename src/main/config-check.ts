/** What of the settings can be held against what is there, without asking any service. */
import { isElsewhere } from '../control/artifacts/address.ts';
import { checkMasterKey } from '../control/settings/master-key.ts';
import type { Settings } from '../control/settings/settings.ts';
import { systemClock, systemRandom } from '../lib/system.ts';
import { openUndiciTransport } from '../lib/undici-transport.ts';
import { keyWrappingOf } from './key-wrapping.ts';
import { openArtifacts, type Environment } from './server-world.ts';

/** What a start would refuse: INVALID_INPUT or MASTER_KEY_WRONG, at the setting. */
export async function checkForms(settings: Settings, { variables }: Environment): Promise<void> {
  const log = (): void => undefined;
  const wrapping = keyWrappingOf(settings, variables, log);
  checkMasterKey(settings, wrapping);
  // A folder would be made.
  if (!isElsewhere(settings.artifacts)) return;
  const openTransport = openUndiciTransport(variables);
  const context = { openTransport, clock: systemClock, random: systemRandom, log, environment: variables };
  await openArtifacts(settings, context)[Symbol.asyncDispose]();
}
