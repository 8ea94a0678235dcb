/** For tests of signing in: real credentials over the real transport. */
import { parseConfig } from '../../contract/config.ts';
import type { Config } from '../../contract/fields.ts';
import type { Context } from '../../contract/provider.ts';
import { systemClock, systemRandom } from '../../lib/system.ts';
import { openUndiciTransport } from '../../lib/undici-transport.ts';
import { resolveSignIn } from './credentials.ts';
import { ACCOUNT_FIELDS } from './fields.ts';

/** What a connector with these fields signs in with, in a process with this environment. */
export function tokensOf(config: Record<string, string>, environment: Record<string, string> = {}) {
  const parsed = parseConfig(ACCOUNT_FIELDS, config) as { config: Config };
  const context: Context = {
    openTransport: openUndiciTransport(environment),
    clock: systemClock,
    random: systemRandom,
    log: () => undefined,
    environment,
    saveAccount: async () => undefined,
  };
  const { credential } = resolveSignIn(parsed.config, context);
  if (credential.kind !== 'entra') throw new Error('it must be a sign-in by Entra ID');
  return credential.token;
}
