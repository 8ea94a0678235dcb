/** `connector policy`: its options, and where the text comes from. */
import type { Command } from 'commander';
import type { PolicyRequest, Use } from '../../contract/provider.ts';
import { DroverError } from '../../model/errors.ts';
import type { Start } from '../program.ts';
import { printPolicyAt } from '../remote/connectors.ts';
import { collect } from '../remote/lists.ts';
import { parseChoice } from '../units.ts';
import { POLICY_KINDS, printPolicy } from './connector.ts';

interface PolicyOptions {
  readonly kind: string;
  readonly use?: string;
  readonly bucket?: readonly string[];
  readonly withTags?: boolean;
  readonly withRestore?: boolean;
  readonly withVersions?: boolean;
  readonly sourceAddress?: readonly string[];
  readonly vpcEndpoint?: readonly string[];
  readonly principal?: string;
  readonly tag?: readonly string[];
  readonly draft?: string;
  readonly field?: readonly string[];
}

export function addPolicy(connector: Command, start: Start): void {
  connector
    .command('policy')
    .argument('<name>', 'of the connector')
    .description('print the policy it needs, ready to paste')
    .option('--kind <kind>', 'iam, iam-full, trust, cloudformation, stackset or names', 'iam')
    .option('--use <use>', 'read, write or both; left out: both, and on a server what its permission option says')
    .option('--bucket <bucket>', 'only for this bucket; can be repeated; left out on a server: as it is saved', collect)
    .option('--with-tags', 'with the rights for tags')
    .option('--with-restore', 'with the right to bring archived objects back')
    .option('--with-versions', 'with the rights for old versions')
    .option('--source-address <cidr>', 'only from this range of addresses; can be repeated', collect)
    .option('--vpc-endpoint <id>', 'only through this VPC endpoint; can be repeated', collect)
    .option('--principal <arn>', 'who may assume the role; left out, the identity this connector signs with')
    .option('--tag <name=value>', 'a tag for what is made; can be repeated', collect)
    .option(
      '--draft <provider>',
      'on a server: for a connector that is not saved yet, because its role is made with this',
    )
    .option('--field <name=value>', 'with --draft: one of its fields, such as externalId=…; can be repeated', collect)
    .action((name: string, given: PolicyOptions) =>
      start(async (session) => {
        const request = askedFor(given);
        const { draft, field = [] } = given;
        if (session.server !== null) {
          const values = readPairs(field);
          return printPolicyAt(session, name, request, draft === undefined ? null : { provider: draft, values });
        }
        if (draft === undefined) return printPolicy(session, name, { ...EVERYTHING, ...request });
        throw new DroverError('USAGE', '--draft is for servers; here a connector can be saved first.', {
          field: '--draft',
          remedy: 'Save it with --no-check, and name it without --draft.',
        });
      }),
    );
}

/** Where no server knows the connector better. */
const EVERYTHING: Omit<PolicyRequest, 'kind'> = {
  use: 'both',
  containers: [],
  withTags: false,
  withRestore: false,
  withVersions: false,
  sourceAddresses: [],
  vpcEndpoints: [],
  trustedPrincipal: null,
  externalId: null,
  tags: {},
};

/** Only what was typed: the rest is for whoever knows the connector. */
function askedFor(given: PolicyOptions): Partial<PolicyRequest> & Pick<PolicyRequest, 'kind'> {
  const typed = {
    use: given.use === undefined ? undefined : readUse(given.use),
    containers: given.bucket,
    withTags: given.withTags,
    withRestore: given.withRestore,
    withVersions: given.withVersions,
    sourceAddresses: given.sourceAddress,
    vpcEndpoints: given.vpcEndpoint,
    trustedPrincipal: given.principal,
    tags: given.tag === undefined ? undefined : readPairs(given.tag),
  };
  const kind = parseChoice(given.kind, '--kind', POLICY_KINDS);
  return { kind, ...Object.fromEntries(Object.entries(typed).filter(([, value]) => value !== undefined)) };
}

export function readUse(text: string): Use {
  return parseChoice(text, '--use', ['read', 'write', 'both']);
}

function readPairs(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf('=');
      return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}
