/** After a clean validation: what of the source is not needed any more, with the commands. Drover deletes no source. */
import type { Config } from '../../contract/fields.ts';
import type { Place } from '../../contract/provider.ts';

export interface CanGo {
  readonly title: string;
  readonly detail: string;
  readonly command: string | null;
}

export interface SourceToLeave {
  readonly provider: string;
  readonly place: Place;
  /** Without secrets. */
  readonly config: Config;
  readonly connectorName: string;
  /** Other jobs that read from the same connector. */
  readonly otherJobs: number;
  /** Those of them that read from the same bucket, container or folder. */
  readonly otherJobsHere: number;
  /** Objects that the job's filter leaves out: they are not at the target, and the commands would delete them. */
  readonly excluded: number;
}

export function whatCanGo(source: SourceToLeave): readonly CanGo[] {
  const content = [...cautionOf(source), ...contentOf(source)];
  if (source.otherJobs > 0) {
    const detail = `${source.otherJobs} other jobs still read with the connector "${source.connectorName}": its key or role stays until they are done.`;
    return [...content, { title: 'Access', detail, command: null }];
  }
  return [...content, ...accessOf(source)];
}

function cautionOf({ excluded, otherJobsHere }: SourceToLeave): CanGo[] {
  const cautions = [
    ...(excluded === 0
      ? []
      : [`${excluded} objects that the job's filter excludes are not at the target; the commands delete them too.`]),
    ...(otherJobsHere === 0
      ? []
      : [`${otherJobsHere} other jobs read from here as well; wait until they are validated too.`]),
  ];
  return cautions.map((detail) => ({ title: 'First', detail, command: null }));
}

function contentOf({ provider, place, config }: SourceToLeave): CanGo[] {
  const { container, prefix } = place;
  const at = whereOf(provider, config);
  switch (provider) {
    case 's3':
      return [
        {
          title: prefix === '' ? `The objects of the bucket "${container}"` : `The objects below "${prefix}"`,
          detail: 'Old versions and delete markers stay until they are removed too.',
          command: `aws s3 rm ${quoted(`s3://${container}/${prefix}`)} --recursive${at}`,
        },
        ...(prefix === ''
          ? [
              {
                title: `The bucket "${container}"`,
                detail: 'Only once it is empty.',
                command: `aws s3api delete-bucket --bucket ${quoted(container)}${at}`,
              },
            ]
          : []),
      ];
    case 'azure-blob':
      return [
        prefix === ''
          ? {
              title: `The container "${container}"`,
              detail: 'With everything in it.',
              command: `az storage container delete --name ${quoted(container)}${at}`,
            }
          : {
              title: `The blobs below "${prefix}"`,
              detail: 'With everything below it.',
              command: `az storage blob delete-batch --source ${quoted(container)} --pattern ${quoted(`${asPattern(prefix)}*`)}${at}`,
            },
      ];
    case 'local': {
      const folder = folderOf(String(config['root'] ?? '/'), place);
      return [
        { title: `The folder "${folder}"`, detail: 'With everything in it.', command: `rm -r -- ${quoted(folder)}` },
      ];
    }
    default:
      return [];
  }
}

function accessOf({ provider, config, connectorName }: SourceToLeave): CanGo[] {
  const connector: CanGo = {
    title: `The connector "${connectorName}"`,
    detail: 'Delete it in Drover; its secrets go with it.',
    command: null,
  };
  if (provider !== 's3') return [connector];
  const roleArn = String(config['roleArn'] ?? '');
  const roleName = roleArn.split('/').at(-1) ?? '';
  const accessKeyId = String(config['accessKeyId'] ?? '');
  const access: CanGo[] = [];
  if (roleName !== '') {
    access.push(
      {
        title: 'The CloudFormation stack that made the role',
        detail: 'If the role was made with the template of this connector: the stack takes the role along.',
        command: 'aws cloudformation delete-stack --stack-name drover-access',
      },
      {
        title: `The role "${roleName}"`,
        detail: 'Otherwise by itself; take its policies off first.',
        command: `aws iam delete-role --role-name ${quoted(roleName)}`,
      },
    );
  }
  if (accessKeyId !== '') {
    access.push({
      title: `The access key ${accessKeyId}`,
      detail: 'If nothing else uses it.',
      command: `aws iam delete-access-key --access-key-id ${quoted(accessKeyId)}`,
    });
  }
  return [...access, connector];
}

function folderOf(root: string, { container, prefix }: Place): string {
  const top = container.startsWith('/') ? container : `${root.replace(/\/$/, '')}/${container}`;
  return `${top}/${prefix}`.replace(/\/+$/, '');
}

/** Options that name the same store as the connector does. */
function whereOf(provider: string, config: Config): string {
  const option = (flag: string, value: unknown): string =>
    typeof value === 'string' && value !== '' ? ` ${flag} ${quoted(value)}` : '';
  if (provider === 's3') return option('--region', config['region']) + option('--endpoint-url', config['endpoint']);
  if (provider !== 'azure-blob') return '';
  return option('--account-name', config['accountName']) || ' --account-name ACCOUNT';
}

/** What a pattern would take for a wildcard is itself: the command must not delete more than what was copied. */
function asPattern(text: string): string {
  return text.replaceAll(/[*?[]/g, '[$&]');
}

/** For a POSIX shell. */
function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
