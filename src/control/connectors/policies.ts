/** What the owner of the store pastes there, for exactly this connector: policies, trust, templates. */
import type { Config } from '../../contract/fields.ts';
import type { Account, CheckLine, PolicyRequest, PolicyText, Provider } from '../../contract/provider.ts';
import { DroverError } from '../../model/errors.ts';
import type { Tags } from '../entities.ts';
import type { ControlWorld } from '../world.ts';
import { judge } from './check.ts';
import { KEEP_NOTHING, openAccount } from './open.ts';
import { movesObjects } from './cloud.ts';
import type { CloudRow } from './rows.ts';

export interface PolicySubject {
  readonly provider: Provider;
  /** With the secrets, where they are known. */
  readonly config: Config;
  readonly tags: Tags;
  readonly cloud: CloudRow | null;
  /** What the last check said. */
  readonly check: readonly CheckLine[];
}

/** UNSUPPORTED where the provider has nothing to paste. */
export async function policiesFor(
  world: ControlWorld,
  subject: PolicySubject,
  request: Partial<PolicyRequest>,
): Promise<readonly PolicyText[]> {
  const { account, isDraft } = await openLeniently(world, subject.provider, subject.config);
  await using opened = account;
  if (opened.policies === undefined) {
    throw new DroverError('UNSUPPORTED', `${subject.provider.manifest.title} needs no policy.`);
  }
  const wanted = request.kind ?? 'iam';
  const names = wanted === 'trust' || wanted === 'cloudformation' || wanted === 'stackset';
  const known = subject.check.find(({ identity }) => identity?.role === 'signs')?.identity?.name ?? null;
  const trustedPrincipal = request.trustedPrincipal ?? known ?? (names ? await signerOf(opened, isDraft) : null);
  const whole: PolicyRequest = { ...defaultsFor(subject), ...given(request), kind: wanted, trustedPrincipal };
  const texts = opened.policies(whole);
  const isOrganization = subject.cloud?.accountType === 'organization';
  if (wanted === 'cloudformation' && isOrganization) return opened.policies({ ...whole, kind: 'stackset' });
  if (texts.length > 0) return texts;
  throw new DroverError('UNSUPPORTED', `${subject.provider.manifest.title} has no text of the kind "${wanted}".`, {
    field: 'kind',
  });
}

/** A field that was given as nothing does not hide what is known. */
function given(request: Partial<PolicyRequest>): Partial<PolicyRequest> {
  return Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined && value !== null));
}

function defaultsFor({ config, tags, cloud }: PolicySubject): PolicyRequest {
  const { externalId } = config;
  const permission = cloud?.permission ?? null;
  return {
    kind: 'iam',
    use: permission === null || permission === 'read-write' ? 'both' : 'read',
    // A whole account is meant, so that a bucket of tomorrow needs no new template.
    containers: cloud === null ? [] : ['*'],
    isInventoryOnly: cloud !== null && !movesObjects(cloud),
    withTags: true,
    withRestore: permission !== null && permission !== 'read',
    withVersions: false,
    sourceAddresses: [],
    vpcEndpoints: [],
    trustedPrincipal: null,
    externalId: typeof externalId === 'string' ? externalId : null,
    tags,
  };
}

/**
 * A trust policy is wanted before there is a role to sign in with. Then the account is opened without everything that
 * says how to sign in, which leaves the identity that this machine has by itself.
 */
async function openLeniently(
  world: ControlWorld,
  provider: Provider,
  config: Config,
): Promise<{ account: Account; isDraft: boolean }> {
  const options = { openTransport: world.openTransport, saveAccount: KEEP_NOTHING };
  try {
    return { account: (await openAccount(world, provider, config, options)).account, isDraft: false };
  } catch (thrown) {
    if (!(thrown instanceof DroverError) || thrown.code !== 'INVALID_INPUT') throw thrown;
    const bare = Object.entries(config).filter(([name]) => {
      const field = provider.account[name];
      return field !== undefined && field.type !== 'secret' && field.when === undefined && !decides(provider, name);
    });
    return { account: (await openAccount(world, provider, Object.fromEntries(bare), options)).account, isDraft: true };
  }
}

function decides(provider: Provider, name: string): boolean {
  return Object.values(provider.account).some((field) => field.when?.field === name);
}

const ASKING_MS_MAX = 10_000;

/** Who signs: the identity that a role must trust. `null` when nobody tells. */
async function signerOf(account: Account, isDraft: boolean): Promise<string | null> {
  const lines = [];
  try {
    for await (const line of account.check(null, 'read', AbortSignal.timeout(ASKING_MS_MAX))) {
      lines.push(line);
      if (line.identity?.role === 'signs') return line.identity.name;
    }
  } catch {
    return null;
  }
  const { signingAs, actingAs } = judge(lines, null);
  return signingAs ?? (isDraft && actingAs?.startsWith('arn:') === true ? actingAs : null);
}
