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
}

export function whatCanGo(source: SourceToLeave): readonly CanGo[] {
  const content = contentOf(source);
  if (source.otherJobs > 0) {
    const detail = `${source.otherJobs} other jobs still read with the connector "${source.connectorName}": its key or role stays until they are done.`;
    return [...content, { title: 'Access', detail, command: null }];
  }
  return [...content, ...accessOf(source)];
}

function contentOf({ provider, place }: SourceToLeave): CanGo[] {
  const { container, prefix } = place;
  switch (provider) {
    case 's3':
      return [
        {
          title: prefix === '' ? `The objects of the bucket "${container}"` : `The objects below "${prefix}"`,
          detail: 'Old versions and delete markers stay until they are removed too.',
          command: `aws s3 rm ${quoted(`s3://${container}/${prefix}`)} --recursive`,
        },
        ...(prefix === ''
          ? [
              {
                title: `The bucket "${container}"`,
                detail: 'Only once it is empty.',
                command: `aws s3api delete-bucket --bucket ${quoted(container)}`,
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
              command: `az storage container delete --name ${quoted(container)}`,
            }
          : {
              title: `The blobs below "${prefix}"`,
              detail: 'With everything below it.',
              command: `az storage blob delete-batch --source ${quoted(container)} --pattern ${quoted(`${prefix}*`)}`,
            },
      ];
    case 'local':
      return [
        {
          title: `The folder "${container}"`,
          detail: 'With everything in it.',
          command: `rm -r -- ${quoted(container)}`,
        },
      ];
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

/** For a POSIX shell. */
function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
