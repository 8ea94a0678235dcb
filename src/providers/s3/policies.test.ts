import { describe, expect, test } from 'vitest';
import type { PolicyRequest } from '../../contract/provider.ts';
import type { PolicyContext } from './policies.ts';
import { policies, trustedRole } from './policies.ts';

describe('policies', () => {
  const request: PolicyRequest = {
    kind: 'iam',
    use: 'read',
    containers: ['photos'],
    withTags: false,
    withRestore: false,
    withVersions: false,
    sourceAddresses: [],
    vpcEndpoints: [],
    trustedPrincipal: 'arn:aws:iam::123456789012:user/drover',
    externalId: 'drover-0123',
    tags: {},
  };
  const context: PolicyContext = {
    settings: { bucket: null, prefix: '', encryption: 'none' as const, kmsKeyId: null, externalId: null },
    partition: 'aws' as const,
  };
  const text = (more: Partial<PolicyRequest>, given = context) =>
    policies({ ...request, ...more }, given)[0]?.text ?? '';
  const actions = (more: Partial<PolicyRequest>): string[] =>
    (JSON.parse(text(more)) as { Statement: { Action: string[] }[] }).Statement.flatMap((each) => each.Action);

  test('reading needs nothing that writes, tags or restores', () => {
    expect(actions({})).toEqual(['s3:GetBucketLocation', 's3:ListBucket', 's3:GetObject']);
    expect(text({})).not.toContain('*"\n    },\n    {\n      "Sid": "Find');
    expect(text({})).not.toContain('ListAllMyBuckets');
  });

  test('each option adds exactly its rights', () => {
    expect(actions({ withTags: true, withVersions: true, withRestore: true })).toEqual(
      expect.arrayContaining([
        's3:GetObjectTagging',
        's3:GetObjectVersionTagging',
        's3:GetObjectVersion',
        's3:ListBucketVersions',
        's3:RestoreObject',
      ]),
    );
    const write = actions({ use: 'write' });
    expect(write).toEqual(expect.arrayContaining(['s3:PutObject', 's3:DeleteObject', 's3:AbortMultipartUpload']));
    expect(write.some((action) => action.includes('*') || action.includes('Tagging'))).toBe(false);
  });

  test("of versions, only those of Drover's own trials may be removed", () => {
    const statements = (more: Partial<PolicyRequest>, given = context) =>
      (JSON.parse(text(more, given)) as { Statement: { Sid: string; Action: string[]; Resource: string[] }[] })
        .Statement;
    const removing = (each: { Action: string[] }) => each.Action.includes('s3:DeleteObjectVersion');
    expect(statements({}).filter(removing)).toEqual([]);
    for (const use of ['write', 'both'] as const) {
      const given = { ...context, settings: { ...context.settings, bucket: 'photos', prefix: '2019/' } };
      expect(statements({ use }, given).filter(removing)).toEqual([
        expect.objectContaining({
          Action: ['s3:DeleteObjectVersion'],
          Resource: ['arn:aws:s3:::photos/2019/*.drover-probe-*'],
        }),
      ]);
    }
  });

  test('a path, addresses and another partition', () => {
    const given = {
      settings: { ...context.settings, bucket: 'photos', prefix: '2019/' },
      partition: 'aws-cn' as const,
    };
    const policy = JSON.parse(text({ sourceAddresses: ['192.0.2.0/24'], vpcEndpoints: ['vpce-1'] }, given)) as {
      Statement: { Sid: string; Resource: string[]; Condition: Record<string, unknown> }[];
    };
    const find = (sid: string) => policy.Statement.find((each) => each.Sid === sid);
    expect(find('ListPath')?.Condition).toEqual({
      StringLike: { 's3:prefix': ['2019/', '2019/*'] },
      IpAddress: { 'aws:SourceIp': ['192.0.2.0/24'] },
    });
    expect(find('UseObjects')?.Resource).toEqual(['arn:aws-cn:s3:::photos/2019/*']);
    expect(find('UseObjectsByEndpoint')?.Condition).toEqual({ StringEquals: { 'aws:SourceVpce': ['vpce-1'] } });
    expect(new Set(policy.Statement.map((each) => each.Sid)).size).toBe(policy.Statement.length);
  });

  test('full access is the three statements that users know', () => {
    expect(JSON.parse(text({ kind: 'iam-full' }))).toEqual({
      Version: '2012-10-17',
      Statement: [
        { Effect: 'Allow', Action: 's3:ListAllMyBuckets', Resource: '*' },
        { Effect: 'Allow', Action: 's3:*', Resource: 'arn:aws:s3:::photos' },
        { Effect: 'Allow', Action: 's3:*', Resource: 'arn:aws:s3:::photos/*' },
      ],
    });
  });

  test('trust names the principal and demands the external ID; a session becomes its role', () => {
    expect(JSON.parse(text({ kind: 'trust' }))).toMatchObject({
      Statement: [
        {
          Principal: { AWS: request.trustedPrincipal },
          Condition: { StringEquals: { 'sts:ExternalId': 'drover-0123' } },
        },
      ],
    });
    expect(trustedRole('arn:aws:sts::123456789012:assumed-role/app/i-1')).toBe('arn:aws:iam::123456789012:role/app');
  });

  test('the template is YAML: even indents, closed quotes, no tabs', () => {
    const yaml = text({ kind: 'cloudformation', tags: { owner: "O'Neill" } });
    for (const line of yaml.trimEnd().split('\n')) {
      expect(line).toMatch(/^(?: {2})*(?:- )?[^\s].*$/);
      expect(line.replaceAll("''", '').split("'").length % 2).toBe(1);
      expect(line).not.toContain('\t');
    }
    expect(yaml).toContain("Value: 'O''Neill'");
    expect(yaml).toContain("Default: 'drover-0123'");
    expect(yaml).toContain("- 's3:GetObject'");
    expect(text({ kind: 'names' })).toContain('drover-transfer');
    for (const kind of ['names', 'cloudformation', 'stackset'] as const) {
      expect(text({ kind })).toContain(kind === 'names' ? 'Stack name:  drover-access' : '--stack-name drover-access ');
    }
  });

  test('the template of an organization holds the role twice: for its own account and for all others', () => {
    const yaml = text({ kind: 'stackset', tags: { owner: "O'Neill" } });
    expect(yaml.match(/Type: AWS::IAM::Role/g)).toHaveLength(2);
    expect(yaml.match(/Value: 'O''Neill'/g)).toHaveLength(2);
    const inner = yaml.slice(yaml.indexOf('TemplateBody: |\n') + 16, yaml.indexOf('\nOutputs:'));
    expect(inner.split('\n').every((line) => line.startsWith('        '))).toBe(true);
    // What identifies Drover comes in as parameters, so that a change reaches every account.
    expect(inner).not.toContain('Default:');
    expect(inner).toContain('AWS: !Ref TrustedPrincipalArn');
    expect(yaml).toContain('ParameterValue: !Ref ExternalId');
    // Only the management account knows the others, so only its role may ask for them.
    expect(yaml).toContain("- 'organizations:ListAccounts'");
    expect(inner).not.toContain('organizations:');
  });
});
