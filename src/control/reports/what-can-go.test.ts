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
  versions: 'current',
  validatedAt: '2026-01-01T00:00:00.000Z',
  otherJobs: 0,
  otherJobsHere: 0,
  hasFilter: false,
  excluded: 0,
  losses: [],
};
const AZURE = { provider: 'azure-blob', fingerprint: 'azure-blob https://acme.blob.core.windows.net acme' } as const;
const REMOVE = "drover connector remove 'Old cloud'";
const KEY =
  'aws iam delete-access-key --access-key-id AKIA1 --user-name "$(aws iam get-access-key-last-used --access-key-id AKIA1 --query UserName --output text)"';
const REGION = ' --region eu-central-1';
const EMPTY = emptied('photos', REGION);

function removed(bucket: string, at: string, path = `s3://${bucket}/`): string {
  return (
    `case "$(aws s3api get-bucket-versioning --bucket ${bucket} --query Status --output text${at})" in ` +
    `None|Enabled) aws s3 rm ${path} --recursive${at} ;; ` +
    "*) echo 'Nothing deleted: old versions could go along that were not copied.' >&2 ;; esac"
  );
}

function emptied(bucket: string, at: string): string[] {
  return [
    removed(bucket, at),
    `aws s3api get-bucket-versioning --bucket ${bucket}${at}`,
    `aws s3api delete-bucket --bucket ${bucket}${at}`,
  ];
}

function emptiedContainer(at: string): string[] {
  return [
    `az storage blob delete-batch --source photos${at} --auth-mode login`,
    `test "$(az storage blob list --container-name photos --include sv --num-results 1 --query 'length(@)' --output tsv${at} --auth-mode login)" = 0 && az storage container delete --name photos${at} --auth-mode login`,
  ];
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
      removed('photos', REGION, "'s3://photos/it'\\''s $old/'"),
      `aws s3api get-bucket-versioning --bucket photos${REGION}`,
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
    [...emptied('photos', ' --endpoint-url https://s3.example.com'), REMOVE],
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
      ...emptiedContainer(' --account-name acme'),
      'az storage account keys renew --account-name acme --resource-group RESOURCE-GROUP --key KEY',
      REMOVE,
    ],
  ],
  [
    'a container of a connection string, with an address of its own',
    { ...AZURE, config: { authorization: 'connection-string', endpoint: 'https://blobs.example.com/' } },
    [
      ...emptiedContainer(' --account-name acme --blob-endpoint https://blobs.example.com/'),
      'az storage account keys renew --account-name acme --resource-group RESOURCE-GROUP --key KEY',
      REMOVE,
    ],
  ],
  [
    'a container read by an app registration',
    { ...AZURE, config: { authorization: 'client-secret', clientId: '0-1' } },
    [
      ...emptiedContainer(' --account-name acme'),
      'for id in $(az role assignment list --assignee 0-1 --all --query \'[].id\' --output tsv); do az role assignment delete --ids "$id"; done',
      'az ad app delete --id 0-1',
      REMOVE,
    ],
  ],
  [
    'a container read by a managed identity, which stays with its machine',
    { ...AZURE, config: { authorization: 'managed-identity', clientId: '0-1' } },
    [
      ...emptiedContainer(' --account-name acme'),
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
      "az storage blob delete-batch --source c --pattern 'a[*][[]1][?]/*' --account-name ACCOUNT --auth-mode login",
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

  test('says first, and once, since when nobody looked, what is lost, and who else reads there', () => {
    const losses = ['Tags are left out.'];
    const lines = whatCanGo({ ...S3, losses, otherJobs: 3, otherJobsHere: 1 });
    expect(lines.filter(({ title }) => title === 'First')).toHaveLength(1);
    const detail = lines[0]?.detail ?? '';
    expect(detail).toContain('at 2026-01-01T00:00:00.000Z');
    expect(detail).toContain('goes with the source: Tags are left out.');
    expect(detail).toContain('1 other job read');
    expect(lines.at(-1)?.detail).toContain('3 other jobs');
  });

  const PLACES: readonly (readonly [string, Partial<SourceToLeave>])[] = [
    ['a bucket', {}],
    ['a prefix', { place: { container: 'photos', prefix: 'a/' } }],
    ['a container', { ...AZURE, config: {} }],
    ['blobs below a prefix', { ...AZURE, config: {}, place: { container: 'photos', prefix: 'a/' } }],
    ['a folder', { provider: 'local', place: { container: 'old', prefix: '' }, config: { root: '/srv' } }],
  ];
  /** Whatever takes content away. */
  const DELETES = /\brm\b|delete-objects|delete-bucket|delete-batch|blob delete|container delete/;

  test.each(PLACES)('of %s has no command that deletes what a filter left out, and says why', (_what, place) => {
    for (const left of [{ excluded: 300, hasFilter: true }, { excluded: 0, hasFilter: true }, { excluded: 1 }]) {
      const lines = whatCanGo({ ...S3, ...place, ...left });
      expect(commandsOf({ ...place, ...left }).filter((command) => DELETES.test(command))).toEqual([]);
      expect(lines[1]).toMatchObject({
        command: null,
        detail: expect.stringContaining('no command that deletes them'),
      });
    }
    expect(commandsOf(place).some((command) => DELETES.test(command))).toBe(true);
  });

  test.each(PLACES)(
    'of %s has no command that deletes old versions, whether they were copied or not',
    (_what, place) => {
      for (const versions of ['current', 'all'] as const) {
        for (const command of commandsOf({ ...place, versions })) {
          expect(command).not.toMatch(/version-id|VersionId|delete-objects|--delete-snapshots/);
        }
      }
    },
  );

  test('says of a bucket that its old versions are at no target', () => {
    const about = (versions: 'current' | 'all') => whatCanGo({ ...S3, versions })[2];
    expect(about('current')).toMatchObject({
      detail: expect.stringContaining('they are at no target'),
      command: `aws s3api get-bucket-versioning --bucket photos${REGION}`,
    });
    expect(about('all')).toMatchObject({
      detail: expect.stringContaining('only if that keeps versions'),
      command: null,
    });
  });

  /** The command, with a program of that name that answers so, writes down what it is asked to do. */
  function played(command: string, program: string, answer: string, exit = 0): string {
    const script = `${program}() { echo "${program} $*" >&2; printf '%s\\n' '${answer}'; return ${exit}; }\n${command}`;
    return spawnSync('sh', ['-c', script], { encoding: 'utf8' }).stderr;
  }

  test('deletes nothing where versions are suspended, or nobody answers', () => {
    const [command = ''] = commandsOf({});
    expect(played(command, 'aws', 'None')).toContain('aws s3 rm');
    expect(played(command, 'aws', 'Enabled')).toContain('aws s3 rm');
    expect(played(command, 'aws', 'Suspended')).not.toContain('aws s3 rm');
    expect(played(command, 'aws', '', 255)).not.toContain('aws s3 rm');
  });

  test('deletes a container only where nothing is left in it', () => {
    const command = commandsOf({ ...AZURE, config: {} })[1] ?? '';
    expect(played(command, 'az', '0')).toContain('az storage container delete');
    expect(played(command, 'az', '1')).not.toContain('az storage container delete');
    expect(played(command, 'az', '', 1)).not.toContain('az storage container delete');
  });

  test('calls the stack as the printed template does', () => {
    expect(STACK_NAME).toBe('drover-access');
  });
});
