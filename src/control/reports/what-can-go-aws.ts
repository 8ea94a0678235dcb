/** What can go of an S3 bucket and of what let Drover in there. */
import { ROLE_NAME, STACK_NAME } from '../../contract/access-names.ts';
import { option, quoted } from './shell.ts';
import { whyNotAll, type CanGo, type SourceToLeave } from './what-can-go.ts';

const UNSEEN =
  'Drover copied what is current, and has not looked whether the bucket keeps old versions. Where it does, they are at no target: no command here deletes them. This only asks; a bucket that never kept any answers with nothing.';
const COPIED =
  'Each version was copied over the one before it, so the older ones are at the target only if that keeps versions itself, which Drover has not looked at: no command here deletes them.';

export function bucketContent(source: SourceToLeave): CanGo[] {
  const { place, config, region, versions } = source;
  const { container, prefix } = place;
  const bucket = quoted(container);
  const known = region ?? (config['region'] as string | undefined) ?? '';
  const isAws = isAmazon(config['endpoint']);
  const named = known === '' && isAws ? ' --region BUCKET-REGION' : option('--region', known);
  const at = named + option('--endpoint-url', config['endpoint']);
  const hint = named.endsWith('BUCKET-REGION')
    ? ` BUCKET-REGION: what "aws s3api get-bucket-location --bucket ${bucket}" says; null is us-east-1.`
    : '';
  const what = prefix === '' ? `The objects of the bucket "${container}"` : `The objects below "${prefix}"`;
  const why = whyNotAll(source);
  const rm = `aws s3 rm ${quoted(`s3://${container}/${prefix}`)} --recursive${at}`;
  const asked = `aws s3api get-bucket-versioning --bucket ${bucket}`;
  // Where versions are suspended, deleting what is current takes an older one along that has no name.
  const guarded = `case "$(${asked} --query Status --output text${at})" in None|Enabled) ${rm} ;; *) echo 'Nothing deleted: old versions could go along that were not copied.' >&2 ;; esac`;
  const steps: CanGo[] = [
    why === null
      ? {
          title: what,
          detail: `As they are now. Where the bucket has suspended versions, nothing is deleted.${hint}`,
          command: guarded,
        }
      : { title: what, detail: `${why}${hint}`, command: null },
    {
      title: 'Their old versions',
      detail: versions === 'all' ? COPIED : UNSEEN,
      command: versions === 'all' ? null : asked + at,
    },
  ];
  if (prefix !== '' || why !== null) return steps;
  const bucketGoes = {
    title: `The bucket "${container}"`,
    detail: 'Once it is empty: it is refused as long as anything is in it, old versions too.',
    command: `aws s3api delete-bucket --bucket ${bucket}${at}`,
  };
  return [...steps, bucketGoes];
}

export function awsAccess(source: SourceToLeave): CanGo[] {
  const { config } = source;
  const roleName = String(config['roleArn'] ?? '')
    .split('/')
    .at(-1);
  const accessKeyId = String(config['accessKeyId'] ?? '');
  // A compatible store has an administration of its own, and these commands would go to Amazon.
  if (!isAmazon(config['endpoint'])) return elsewhere(roleName ?? '', accessKeyId);
  return [
    ...(roleName === undefined || roleName === '' ? [] : [...stackOf(source), ...roleOf(roleName)]),
    ...(accessKeyId === '' ? [] : [keyOf(accessKeyId)]),
  ];
}

function stackOf({ cloud }: SourceToLeave): CanGo[] {
  const where = `If the role was made with the template of this connector. STACK-REGION: where the stack was made; ${STACK_NAME} is its name unless you chose another ("aws cloudformation list-stacks" shows them, region by region).`;
  const stack = `aws cloudformation delete-stack --stack-name ${STACK_NAME} --region STACK-REGION`;
  if (cloud?.accountType !== 'organization') {
    return [
      {
        title: 'The CloudFormation stack that made the role',
        detail: `${where} It takes the role along.`,
        command: stack,
      },
    ];
  }
  return [
    {
      title: 'The roles in the accounts of the organization',
      detail: `${where} In the management account. ORGANIZATIONAL-UNIT-IDS: those that were given to the stack ("aws cloudformation describe-stack-set --stack-set-name ${ROLE_NAME}" shows them), separated by commas. Wait until "aws cloudformation list-stack-instances --stack-set-name ${ROLE_NAME}" shows none.`,
      command: `aws cloudformation delete-stack-instances --stack-set-name ${ROLE_NAME} --deployment-targets OrganizationalUnitIds=ORGANIZATIONAL-UNIT-IDS --regions STACK-REGION --no-retain-stacks --region STACK-REGION`,
    },
    {
      title: 'The StackSet',
      detail: 'Once it has no stacks any more.',
      command: `aws cloudformation delete-stack-set --stack-set-name ${ROLE_NAME} --region STACK-REGION`,
    },
    {
      title: 'The CloudFormation stack that made the StackSet',
      detail: 'It takes the role of the management account along.',
      command: stack,
    },
  ];
}

/** A role can go only once it has no policies any more. */
function roleOf(roleName: string): CanGo[] {
  const role = quoted(roleName);
  return [
    {
      title: `The policies within the role "${roleName}"`,
      detail: 'If there was no stack: the role goes by itself, after its policies.',
      command: `for name in $(aws iam list-role-policies --role-name ${role} --query 'PolicyNames[]' --output text); do aws iam delete-role-policy --role-name ${role} --policy-name "$name"; done`,
    },
    {
      title: `The policies attached to the role "${roleName}"`,
      detail: 'They are taken off; the policies themselves stay.',
      command: `for arn in $(aws iam list-attached-role-policies --role-name ${role} --query 'AttachedPolicies[].PolicyArn' --output text); do aws iam detach-role-policy --role-name ${role} --policy-arn "$arn"; done`,
    },
    {
      title: `The role "${roleName}"`,
      detail: 'Once it has no policies.',
      command: `aws iam delete-role --role-name ${role}`,
    },
  ];
}

function keyOf(accessKeyId: string): CanGo {
  const id = quoted(accessKeyId);
  if (accessKeyId.startsWith('ASIA')) {
    const detail = 'It is temporary and ends by itself.';
    return { title: `The access key ${accessKeyId}`, detail, command: null };
  }
  return {
    title: `The access key ${accessKeyId}`,
    detail: 'If nothing else uses it; the inner command finds the user it belongs to.',
    command: `aws iam delete-access-key --access-key-id ${id} --user-name "$(aws iam get-access-key-last-used --access-key-id ${id} --query UserName --output text)"`,
  };
}

function elsewhere(roleName: string, accessKeyId: string): CanGo[] {
  const detail = 'If nothing else uses it, in the administration of this store; it is not one of Amazon.';
  return [
    ...(roleName === '' ? [] : [{ title: `The role "${roleName}"`, detail, command: null }]),
    ...(accessKeyId === '' ? [] : [{ title: `The access key ${accessKeyId}`, detail, command: null }]),
  ];
}

function isAmazon(endpoint: unknown): boolean {
  if (typeof endpoint !== 'string' || endpoint === '') return true;
  try {
    return /\.amazonaws\.com(\.cn)?$/.test(new URL(endpoint).hostname);
  } catch {
    return false;
  }
}
