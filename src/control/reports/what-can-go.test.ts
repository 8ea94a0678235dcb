import { describe, expect, test } from 'vitest';
import { whatCanGo, type SourceToLeave } from './what-can-go.ts';

const S3: SourceToLeave = {
  provider: 's3',
  place: { container: 'photos', prefix: '' },
  config: { region: 'eu-central-1', accessKeyId: 'AKIA1' },
  connectorName: 'Old cloud',
  otherJobs: 0,
  otherJobsHere: 0,
  excluded: 0,
};

describe('what can go', () => {
  test.each<[string, Partial<SourceToLeave>, string[]]>([
    [
      'a bucket with its key',
      {},
      [
        'aws s3 rm s3://photos/ --recursive --region eu-central-1',
        'aws s3api delete-bucket --bucket photos --region eu-central-1',
        'aws iam delete-access-key --access-key-id AKIA1',
      ],
    ],
    [
      'a prefix, the bucket stays, with the role and its stack',
      {
        place: { container: 'photos', prefix: "it's $old/" },
        config: { roleArn: 'arn:aws:iam::1:role/path/drover', endpoint: 'https://s3.example.com' },
      },
      [
        "aws s3 rm 's3://photos/it'\\''s $old/' --recursive --endpoint-url https://s3.example.com",
        'aws cloudformation delete-stack --stack-name drover-access',
        'aws iam delete-role --role-name drover',
      ],
    ],
    [
      'a container',
      { provider: 'azure-blob', config: { accountName: 'acme' } },
      ['az storage container delete --name photos --account-name acme'],
    ],
    [
      'blobs below a prefix',
      { provider: 'azure-blob', place: { container: 'c', prefix: 'a/' }, config: {} },
      ["az storage blob delete-batch --source c --pattern 'a/*' --account-name ACCOUNT"],
    ],
    [
      'blobs below a prefix that a pattern would take for others too',
      { provider: 'azure-blob', place: { container: 'c', prefix: 'a*[1]?/' }, config: {} },
      ["az storage blob delete-batch --source c --pattern 'a[*][[]1][?]/*' --account-name ACCOUNT"],
    ],
    [
      'a folder within a root',
      { provider: 'local', place: { container: 'old files', prefix: '2019/' }, config: { root: '/srv/' } },
      ["rm -r -- '/srv/old files/2019'"],
    ],
    [
      'a folder of its own',
      { provider: 'local', place: { container: '/srv/files', prefix: '' }, config: { root: '/srv' } },
      ['rm -r -- /srv/files'],
    ],
    [
      'no key while other jobs use it',
      { otherJobs: 2 },
      [
        'aws s3 rm s3://photos/ --recursive --region eu-central-1',
        'aws s3api delete-bucket --bucket photos --region eu-central-1',
      ],
    ],
  ])('%s', (_what, change, commands) => {
    const lines = whatCanGo({ ...S3, ...change });
    expect(lines.flatMap(({ command }) => (command === null ? [] : [command]))).toEqual(commands);
  });

  test('says first what would be lost, and who else reads there', () => {
    const lines = whatCanGo({ ...S3, excluded: 7, otherJobs: 3, otherJobsHere: 2 });
    expect(lines.slice(0, 2).map(({ title }) => title)).toEqual(['First', 'First']);
    expect(lines[0]?.detail).toContain('7 objects');
    expect(lines[1]?.detail).toContain('2 other jobs');
    expect(lines.at(-1)?.detail).toContain('3 other jobs');
  });
});
