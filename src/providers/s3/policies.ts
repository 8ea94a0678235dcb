/** What the owner of the buckets pastes at Amazon: policies, trust, a template, names. Pure. */
import { ROLE_NAME, STACK_NAME } from '../../contract/access-names.ts';
import type { PolicyRequest, PolicyText } from '../../contract/provider.ts';
import type { Partition } from './address.ts';
import type { S3Settings } from './fields.ts';
import { stackSetText, templateText, type TemplateGiven } from './template.ts';
import { checkPolicyRequest } from './policy-request.ts';

export interface PolicyContext {
  readonly settings: Pick<S3Settings, 'bucket' | 'prefix' | 'encryption' | 'kmsKeyId' | 'externalId'>;
  readonly partition: Partition;
}

export interface Statement {
  readonly Sid?: string;
  readonly Effect: 'Allow';
  readonly Action: string | readonly string[];
  readonly Resource: string | readonly string[];
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;
}

type Condition = NonNullable<Statement['Condition']>;

const VERSION = '2012-10-17';
const ALL = '*';
export const POLICY_NAME = 'drover-transfer-access';

/** INVALID_INPUT for what has no place in a policy. */
export function policies(request: PolicyRequest, context: PolicyContext): readonly PolicyText[] {
  checkPolicyRequest(request, context.settings);
  switch (request.kind) {
    case 'iam':
      return [json('IAM policy: the least that is needed', leastPrivilege(request, context))];
    case 'iam-full':
      return [json('IAM policy: full access to the buckets', fullAccess(request, context))];
    case 'trust':
      return [json(trustTitle(request, context), trust(request, context))];
    case 'cloudformation':
      return [{ title: 'CloudFormation template', language: 'yaml', text: template(request, context) }];
    case 'stackset':
      return [stackSet(request, context)];
    case 'names':
      return [names(request, context)];
  }
}

function json(title: string, statements: readonly object[]): PolicyText {
  const text = JSON.stringify({ Version: VERSION, Statement: statements }, null, 2);
  return { title, language: 'json', text: `${text}\n` };
}

/** Buckets by name, each with the path the connector is restricted to. */
function bucketsOf(request: PolicyRequest, { settings }: PolicyContext): { bucket: string; prefix: string }[] {
  const named = request.containers.length > 0 ? request.containers : settings.bucket === null ? [] : [settings.bucket];
  return named.map((bucket) => ({ bucket, prefix: bucket === settings.bucket ? settings.prefix : '' }));
}

/** Only rights that the use needs, only on the buckets and paths that are named. */
export function leastPrivilege(request: PolicyRequest, context: PolicyContext): Statement[] {
  const buckets = bucketsOf(request, context);
  const known = buckets.length > 0 ? buckets : [{ bucket: 'YOUR-BUCKET', prefix: '' }];
  const arn = (rest: string) => `arn:${context.partition}:s3:::${rest}`;
  const statements: Statement[] = [];
  if (request.isInventoryOnly === true) return limited(inventoryStatements(known, arn), request);
  if (buckets.length === 0 || buckets.some(({ bucket }) => bucket === ALL)) {
    statements.push({ Sid: 'FindBuckets', Effect: 'Allow', Action: ['s3:ListAllMyBuckets'], Resource: '*' });
  }
  statements.push({
    Sid: 'KnowBuckets',
    Effect: 'Allow',
    Action: bucketActions(request),
    Resource: known.map(({ bucket }) => arn(bucket)),
  });
  const whole = known.filter(({ prefix }) => prefix === '');
  const actions = listActions(request);
  if (whole.length > 0) {
    const Resource = whole.map(({ bucket }) => arn(bucket));
    statements.push({ Sid: 'ListBuckets', Effect: 'Allow', Action: actions, Resource });
  }
  known
    .filter(({ prefix }) => prefix !== '')
    .forEach(({ bucket, prefix }, index) => {
      statements.push({
        Sid: index === 0 ? 'ListPath' : `ListPath${index + 1}`,
        Effect: 'Allow',
        Action: actions,
        Resource: [arn(bucket)],
        Condition: { StringLike: { 's3:prefix': [prefix, `${prefix}*`] } },
      });
    });
  const objects = known.map(({ bucket, prefix }) => arn(`${bucket}/${prefix}*`));
  statements.push({ Sid: 'UseObjects', Effect: 'Allow', Action: objectActions(request), Resource: objects });
  if (request.use !== 'read') {
    // Where a bucket keeps versions, what is written to try it out would stay for good.
    const trials = objects.map((each) => `${each}.drover-probe-*`);
    statements.push({ Sid: 'ClearTrials', Effect: 'Allow', Action: ['s3:DeleteObjectVersion'], Resource: trials });
  }
  const key = keyStatement(request, context);
  if (key !== null) statements.push(key);
  return limited(statements, request);
}

/** Which buckets there are, and where they are; nothing of what is in them. */
function inventoryStatements(
  known: readonly { readonly bucket: string }[],
  arn: (rest: string) => string,
): Statement[] {
  const named = known.map(({ bucket }) => arn(bucket === 'YOUR-BUCKET' ? ALL : bucket));
  return [
    { Sid: 'FindBuckets', Effect: 'Allow', Action: ['s3:ListAllMyBuckets'], Resource: '*' },
    { Sid: 'KnowBuckets', Effect: 'Allow', Action: ['s3:GetBucketLocation'], Resource: named },
  ];
}

function bucketActions(request: PolicyRequest): string[] {
  const actions = ['s3:GetBucketLocation'];
  if (request.use !== 'read') actions.push('s3:ListBucketMultipartUploads');
  return actions;
}

function listActions(request: PolicyRequest): string[] {
  const actions = ['s3:ListBucket'];
  if (request.withVersions && request.use !== 'write') actions.push('s3:ListBucketVersions');
  return actions;
}

function objectActions(request: PolicyRequest): string[] {
  const { use, withTags, withVersions, withRestore } = request;
  const reads = use !== 'write';
  const writes = use !== 'read';
  // A target is compared and verified by its headers, which need the right to read as well.
  const actions = ['s3:GetObject'];
  if (reads && withVersions) actions.push('s3:GetObjectVersion');
  if (withTags) actions.push('s3:GetObjectTagging');
  if (reads && withTags && withVersions) actions.push('s3:GetObjectVersionTagging');
  if (reads && withRestore) actions.push('s3:RestoreObject');
  if (writes) {
    actions.push('s3:PutObject', 's3:DeleteObject', 's3:AbortMultipartUpload', 's3:ListMultipartUploadParts');
    if (withTags) actions.push('s3:PutObjectTagging');
  }
  return actions;
}

/** Only a key that is named by its ARN can be granted without a wildcard. */
function keyStatement(request: PolicyRequest, { settings }: PolicyContext): Statement | null {
  const { encryption, kmsKeyId } = settings;
  if (encryption !== 'SSE-KMS' || kmsKeyId === null || !kmsKeyId.startsWith('arn:')) return null;
  const Action = request.use === 'read' ? ['kms:Decrypt'] : ['kms:Decrypt', 'kms:GenerateDataKey'];
  return { Sid: 'UseKey', Effect: 'Allow', Action, Resource: [kmsKeyId] };
}

/** Three statements, as users of such connectors know them. */
export function fullAccess(request: PolicyRequest, context: PolicyContext): Statement[] {
  const buckets = bucketsOf(request, context).map(({ bucket }) => bucket);
  const named = buckets.length > 0 ? buckets : ['YOUR-BUCKET'];
  const arns = (rest: string) => {
    const all = named.map((bucket) => `arn:${context.partition}:s3:::${bucket}${rest}`);
    return all.length === 1 ? (all[0] as string) : all;
  };
  const statements: Statement[] = [
    { Effect: 'Allow', Action: 's3:ListAllMyBuckets', Resource: '*' },
    { Effect: 'Allow', Action: 's3:*', Resource: arns('') },
    { Effect: 'Allow', Action: 's3:*', Resource: arns('/*') },
  ];
  return limited(statements, request);
}

/** From these addresses or through these endpoints: requests of an endpoint carry no public address, so it is "or". */
function limited(statements: readonly Statement[], request: PolicyRequest): Statement[] {
  const limits: { suffix: string; condition: Condition }[] = [];
  if (request.sourceAddresses.length > 0) {
    limits.push({ suffix: '', condition: { IpAddress: { 'aws:SourceIp': request.sourceAddresses } } });
  }
  if (request.vpcEndpoints.length > 0) {
    const suffix = limits.length === 0 ? '' : 'ByEndpoint';
    limits.push({ suffix, condition: { StringEquals: { 'aws:SourceVpce': request.vpcEndpoints } } });
  }
  if (limits.length === 0) return [...statements];
  return limits.flatMap(({ suffix, condition }) =>
    statements.map((statement) => ({
      ...statement,
      ...(statement.Sid === undefined ? {} : { Sid: `${statement.Sid}${suffix}` }),
      Condition: { ...statement.Condition, ...condition },
    })),
  );
}

/** The role behind a session: a trust that named the session would end with it. */
export function trustedRole(principal: string): string {
  const match = /^arn:([^:]+):sts::(\d{12}):assumed-role\/([^/]+)\/.+$/.exec(principal);
  return match === null ? principal : `arn:${match[1]}:iam::${match[2]}:role/${match[3]}`;
}

function trustTitle(request: PolicyRequest, context: PolicyContext): string {
  const title = 'Trust policy of the role';
  return (request.externalId ?? context.settings.externalId) === null
    ? `${title}, without an external ID: set one in the connector first, or others may be let in through the same identity`
    : title;
}

function trust(request: PolicyRequest, context: PolicyContext): object[] {
  const externalId = request.externalId ?? context.settings.externalId;
  const principal = request.trustedPrincipal === null ? 'TRUSTED-PRINCIPAL-ARN' : trustedRole(request.trustedPrincipal);
  return [
    {
      Sid: 'LetDroverIn',
      Effect: 'Allow',
      Principal: { AWS: principal },
      Action: 'sts:AssumeRole',
      ...(externalId === null ? {} : { Condition: { StringEquals: { 'sts:ExternalId': externalId } } }),
    },
  ];
}

function template(request: PolicyRequest, context: PolicyContext): string {
  return templateText(templateGiven(request, context));
}

function stackSet(request: PolicyRequest, context: PolicyContext): PolicyText {
  const title = 'CloudFormation template for the management account: a StackSet for the whole organization';
  return {
    title,
    language: 'yaml',
    text: stackSetText(templateGiven(request, context), organizationStatements(request)),
  };
}

/** Which accounts there are; nothing in them. */
function organizationStatements(request: PolicyRequest): Statement[] {
  const Action = ['organizations:ListAccounts', 'organizations:DescribeOrganization'];
  return limited([{ Sid: 'KnowAccounts', Effect: 'Allow', Action, Resource: '*' }], request);
}

function templateGiven(request: PolicyRequest, context: PolicyContext): TemplateGiven {
  const principal = request.trustedPrincipal === null ? null : trustedRole(request.trustedPrincipal);
  return {
    principal,
    externalId: request.externalId ?? context.settings.externalId,
    statements: leastPrivilege(request, context),
    roleName: ROLE_NAME,
    policyName: POLICY_NAME,
    description: description(request, context),
    tags: tagsOf(request),
  };
}

function description(request: PolicyRequest, context: PolicyContext): string {
  const verb = { read: 'read', write: 'write', both: 'read and write' }[request.use];
  const buckets = bucketsOf(request, context).map(({ bucket }) => bucket);
  const where = buckets.length === 0 || buckets.includes(ALL) ? 'buckets of this account' : buckets.join(', ');
  // IAM takes 1,000 characters.
  const what = request.isInventoryOnly === true ? 'list' : `${verb} objects in`;
  return `Lets Drover ${what} ${where}`.slice(0, 1000);
}

function tagsOf(request: PolicyRequest): Readonly<Record<string, string>> {
  return { application: 'drover', purpose: 'data-transfer', ...request.tags };
}

function names(request: PolicyRequest, context: PolicyContext): PolicyText {
  const tags = Object.entries(tagsOf(request)).map(([name, value]) => `  ${name} = ${value}`);
  const lines = [
    `Role name:   ${ROLE_NAME}`,
    `Policy name: ${POLICY_NAME}`,
    `User name:   ${ROLE_NAME}`,
    `Stack name:  ${STACK_NAME}`,
    `Description: ${description(request, context)}`,
    'Tags:',
    ...tags,
  ];
  return { title: 'Suggested names, description and tags', language: 'text', text: `${lines.join('\n')}\n` };
}
