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
  readonly use: string;
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
    .option('--use <use>', 'read, write or both', 'both')
    .option('--bucket <bucket>', 'only for this bucket; can be repeated', collect)
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
        const request: PolicyRequest = {
          kind: parseChoice(given.kind, '--kind', POLICY_KINDS),
          use: readUse(given.use),
          containers: given.bucket ?? [],
          withTags: given.withTags === true,
          withRestore: given.withRestore === true,
          withVersions: given.withVersions === true,
          sourceAddresses: given.sourceAddress ?? [],
          vpcEndpoints: given.vpcEndpoint ?? [],
          trustedPrincipal: given.principal ?? null,
          externalId: null,
          tags: readPairs(given.tag ?? []),
        };
        const { draft, field = [] } = given;
        if (session.server !== null) {
          const values = readPairs(field);
          return printPolicyAt(session, name, request, draft === undefined ? null : { provider: draft, values });
        }
        if (draft === undefined) return printPolicy(session, name, request);
        throw new DroverError('USAGE', '--draft is for servers; here a connector can be saved first.', {
          field: '--draft',
          remedy: 'Save it with --no-check, and name it without --draft.',
        });
      }),
    );
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
