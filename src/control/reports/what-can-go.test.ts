import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { STACK_NAME } from '../../contract/access-names.ts';
import { whatCanGo, type SourceToLeave } from './what-can-go.ts';

const S3: SourceToLeave = {
  provider: 's3',
  place: { container: 'photos', prefix: '' },
  config: { region: 'eu-central-1', accessKeyId: 'AKIA1' },
  connectorName: 'Old cloud',
  fingerprint: 's3 AKIA1',
  cloud: null,
  region: null,
  hasVersions: null,
  validatedAt: '2026-01-01T00:00:00.000Z',
  otherJobs: 0,
  otherJobsHere: 0,
  excluded: 0,
};
const AZURE = { provider: 'azure-blob', fingerprint: 'azure-blob https://acme.blob.core.windows.net acme' } as const;
const REMOVE = "drover connector remove 'Old cloud'";
const KEY =
  'aws iam delete-access-key --access-key-id AKIA1 --user-name "$(aws iam get-access-key-last-used --access-key-id AKIA1 --query UserName --output text)"';
const EMPTY = [
  'aws s3 rm s3://photos/ --recursive --region eu-central-1',
  versions('photos', '', ' --region eu-central-1'),
  'aws s3api delete-bucket --bucket photos --region eu-central-1',
];

function versions(bucket: string, below: string, at: string): string {
  return (
    `while aws s3api list-object-versions --bucket ${bucket}${below} --no-paginate --output json --query ` +
    "'{Objects: [Versions, DeleteMarkers][].{Key: Key, VersionId: VersionId}, Quiet: `true`}'" +
    `${at} > drover-versions.json && grep -q VersionId drover-versions.json; do ` +
    `aws s3api delete-objects --bucket ${bucket} --delete file://drover-versions.json${at} || break; done`
  );
}

function roleCommands(role: string): string[] {
  return [
    `for name in $(aws iam list-role-policies --role-name ${role} --query 'PolicyNames[]' --output text); do aws iam delete-role-policy --role-name ${role} --policy-name "$name"; done`,
    `for arn in $(aws iam list-attached-role-policies --role-name ${role} --query 'AttachedPolicies[].PolicyArn' --output text); do aws iam detach-role-policy --role-name ${role} --policy-arn "$arn"; done`,
    `aws iam delete-role --role-name ${role}`,
  ];
}

function commandsOf(change: Partial<SourceToLeave>): string[] {
  return whatCanGo({ ...S3, ...change }).flatMap(({ command }) => (command === null ? [] : [command]));
}

const TABLE: [string, Partial<SourceToLeave>, string[]][] = [
  ['a bucket with its key', {}, [...EMPTY, KEY, REMOVE]],
  [
    'a bucket in the region the inventory has seen, not the one the connector begins with',
    { region: 'us-west-2', config: { region: 'eu-central-1' } },
    [...EMPTY.map((command) => command.replaceAll('eu-central-1', 'us-west-2')), REMOVE],
  ],
  [
    'a bucket of an unknown region',
    { config: {} },
    [...EMPTY.map((command) => command.replaceAll('eu-central-1', 'BUCKET-REGION')), REMOVE],
  ],
  [
    'a prefix, the bucket stays, with the role and its stack',
    {
      place: { container: 'photos', prefix: "it's $old/" },
      config: { region: 'eu-central-1', roleArn: 'arn:aws:iam::1:role/path/drover' },
    },
    [
      "aws s3 rm 's3://photos/it'\\''s $old/' --recursive --region eu-central-1",
      versions('photos', " --prefix 'it'\\''s $old/'", ' --region eu-central-1'),
      'aws cloudformation delete-stack --stack-name drover-access --region STACK-REGION',
      ...roleCommands('drover'),
      REMOVE,
    ],
  ],
  [
    'an organization: the roles in its accounts, their set, the stack, in this order',
    {
      config: { region: 'eu-central-1', roleArn: 'arn:aws:iam::1:role/drover-transfer' },
      cloud: { accountType: 'organization' },
    },
    [
      ...EMPTY,
      'aws cloudformation delete-stack-instances --stack-set-name drover-transfer --deployment-targets OrganizationalUnitIds=ORGANIZATIONAL-UNIT-IDS --regions STACK-REGION --no-retain-stacks --region STACK-REGION',
      'aws cloudformation delete-stack-set --stack-set-name drover-transfer --region STACK-REGION',
      'aws cloudformation delete-stack --stack-name drover-access --region STACK-REGION',
      ...roleCommands('drover-transfer'),
      REMOVE,
    ],
  ],
  [
    'a bucket of a compatible store: nothing that would go to Amazon',
    { config: { endpoint: 'https://s3.example.com', accessKeyId: 'K', roleArn: 'arn:aws:iam:::role/r' } },
    [
      'aws s3 rm s3://photos/ --recursive --endpoint-url https://s3.example.com',
      versions('photos', '', ' --endpoint-url https://s3.example.com'),
      'aws s3api delete-bucket --bucket photos --endpoint-url https://s3.example.com',
      REMOVE,
    ],
  ],
  [
    'a temporary key, which ends by itself',
    { config: { region: 'eu-central-1', accessKeyId: 'ASIA1' } },
    [...EMPTY, REMOVE],
  ],
  [
    'a container, with the key of its account',
    { ...AZURE, config: { accountName: 'acme', authorization: 'account-key' } },
    [
      'az storage container delete --name photos --account-name acme --auth-mode login',
      'az storage account keys renew --account-name acme --resource-group RESOURCE-GROUP --key KEY',
      REMOVE,
    ],
  ],
  [
    'a container of a connection string, with an address of its own',
    { ...AZURE, config: { authorization: 'connection-string', endpoint: 'https://blobs.example.com/' } },
    [
      'az storage container delete --name photos --account-name acme --blob-endpoint https://blobs.example.com/ --auth-mode login',
      'az storage account keys renew --account-name acme --resource-group RESOURCE-GROUP --key KEY',
      REMOVE,
    ],
  ],
  [
    'a container read by an app registration',
    { ...AZURE, config: { authorization: 'client-secret', clientId: '0-1' } },
    [
      'az storage container delete --name photos --account-name acme --auth-mode login',
      'for id in $(az role assignment list --assignee 0-1 --all --query \'[].id\' --output tsv); do az role assignment delete --ids "$id"; done',
      'az ad app delete --id 0-1',
      REMOVE,
    ],
  ],
  [
    'a container read by a managed identity, which stays with its machine',
    { ...AZURE, config: { authorization: 'managed-identity', clientId: '0-1' } },
    [
      'az storage container delete --name photos --account-name acme --auth-mode login',
      'for id in $(az role assignment list --assignee 0-1 --all --query \'[].id\' --output tsv); do az role assignment delete --ids "$id"; done',
      REMOVE,
    ],
  ],
  [
    'blobs below a prefix that a pattern would take for others too, of an account nobody knows',
    {
      ...AZURE,
      fingerprint: '',
      place: { container: 'c', prefix: 'a*[1]?/' },
      config: { authorization: 'environment' },
    },
    [
      "az storage blob delete-batch --source c --pattern 'a[*][[]1][?]/*' --delete-snapshots include --account-name ACCOUNT --auth-mode login",
      REMOVE,
    ],
  ],
  [
    'a folder within a root',
    { provider: 'local', place: { container: 'old files', prefix: '2019/' }, config: { root: '/srv/' } },
    ["rm -r -- '/srv/old files/2019'", REMOVE],
  ],
  [
    'a folder of its own',
    { provider: 'local', place: { container: '/srv/files', prefix: '' }, config: { root: '/srv' } },
    ['rm -r -- /srv/files', REMOVE],
  ],
  ['never a whole file system', { provider: 'local', place: { container: '/', prefix: '' }, config: {} }, [REMOVE]],
  ['no key while other jobs use it', { otherJobs: 2 }, EMPTY],
];

describe('what can go', () => {
  test.each(TABLE)('%s', (_what, change, commands) => {
    expect(commandsOf(change)).toEqual(commands);
  });

  test('every word in capitals is explained where it stands or before', () => {
    for (const [what, change] of TABLE) {
      const lines = whatCanGo({ ...S3, ...change });
      for (const [at, { command }] of lines.entries()) {
        const told = lines.slice(0, at + 1).map(({ detail }) => detail);
        const words = command?.match(/(?<![\w/-])[A-Z]{3,}(?:-[A-Z]+)*(?![\w-])/g) ?? [];
        for (const word of words) {
          expect(
            told.some((detail) => detail.includes(`${word}:`)),
            `${what}: ${word}`,
          ).toBe(true);
        }
      }
    }
  });

  test('every command is one that a shell can read', () => {
    const all = TABLE.flatMap(([, change]) => commandsOf(change));
    const { status, stderr } = spawnSync('sh', ['-n'], { input: all.join('\n'), encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(status).toBe(0);
  });

  test('says first, and once, since when nobody looked, what would be lost, and who else reads there', () => {
    const lines = whatCanGo({ ...S3, excluded: 7, otherJobs: 3, otherJobsHere: 1 });
    expect(lines.filter(({ title }) => title === 'First')).toHaveLength(1);
    const detail = lines[0]?.detail ?? '';
    expect(detail).toContain('at 2026-01-01T00:00:00.000Z');
    expect(detail).toContain("7 objects that the job's filter excludes are not at the target");
    expect(detail).toContain('1 other job read');
    expect(lines.at(-1)?.detail).toContain('3 other jobs');
  });

  test('says whether the bucket keeps versions, as far as that was seen', () => {
    const about = (hasVersions: boolean | null) => whatCanGo({ ...S3, hasVersions })[2]?.detail;
    expect(about(true)).toContain('keeps old versions: without this it is not empty');
    expect(about(null)).toContain('has not looked');
  });

  test('calls the stack as the printed template does', () => {
    expect(STACK_NAME).toBe('drover-access');
  });
});
