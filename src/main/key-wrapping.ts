/** The key that wraps the master key, where one is named. */
import type { Settings } from '../control/settings/settings.ts';
import type { KeyWrapping } from '../control/settings/wrapped-key.ts';
import { hushed } from '../lib/hushed-transport.ts';
import { systemClock, systemRandom } from '../lib/system.ts';
import { openUndiciTransport } from '../lib/undici-transport.ts';
import type { Log } from '../lib/world.ts';
import { DroverError } from '../model/errors.ts';
import { VaultKey, VAULT_KEY } from '../providers/azure-blob/key-vault.ts';
import { Kms, KMS_ARN } from '../providers/s3/kms.ts';

type Variables = Readonly<Record<string, string | undefined>>;

/** In CloudTrail it tells what was decrypted; a policy may demand it. */
const ENCRYPTION_CONTEXT = { application: 'drover', purpose: 'master-key' };

/** `null`: the master key is kept as it is. Touches no network. */
export function keyWrappingOf(
  { masterKeyKms, masterKeyKmsEndpoint }: Pick<Settings, 'masterKeyKms' | 'masterKeyKmsEndpoint'>,
  variables: Variables,
  log: Log,
): KeyWrapping | null {
  if (masterKeyKms === null) return null;
  const context = {
    openTransport: hushed(openUndiciTransport(variables), []),
    clock: systemClock,
    random: systemRandom,
    log,
    environment: variables,
  };
  if (KMS_ARN.test(masterKeyKms)) {
    return new Kms(
      { keyArn: masterKeyKms, endpoint: masterKeyKmsEndpoint, encryptionContext: ENCRYPTION_CONTEXT },
      context,
    );
  }
  if (VAULT_KEY.test(masterKeyKms)) return new VaultKey(masterKeyKms, context);
  throw new DroverError('INVALID_INPUT', `"${masterKeyKms}" is no key of AWS KMS or of Azure Key Vault.`, {
    field: 'masterKeyKms',
    remedy: 'Give the ARN of a key or an alias, or https://VAULT.vault.azure.net/keys/KEY.',
  });
}
