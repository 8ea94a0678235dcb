/** The CloudFormation template that makes the role: plain YAML of our own, without a library. */
import { STACK_NAME } from '../../contract/access-names.ts';
import type { Statement } from './policies.ts';

export interface TemplateGiven {
  readonly principal: string | null;
  readonly externalId: string | null;
  readonly statements: readonly Statement[];
  readonly roleName: string;
  readonly policyName: string;
  readonly description: string;
  readonly tags: Readonly<Record<string, string>>;
}

export function templateText(given: TemplateGiven): string {
  const lines = [...howTo(''), ...head(given), ...parameters(given), 'Resources:', ...role(given), ...outputs()];
  return `${lines.join('\n')}\n`;
}

/**
 * For the management account of an organization, or the delegated administrator of its stack sets: the role in that
 * account itself, because a stack set with service-managed permissions leaves it out, and in every account of the
 * organizational units that are named, those that join later included. `management` is granted in that account alone.
 */
export function stackSetText(given: TemplateGiven, management: readonly Statement[]): string {
  const inner = [
    ...head(given),
    ...parameters({ ...given, principal: null, externalId: null }),
    'Resources:',
    ...role(given),
  ];
  const lines = [
    ...howTo(' --parameter-overrides OrganizationalUnitIds=ORGANIZATIONAL-UNIT-IDS'),
    ...head(given),
    ...parameters(given),
    '  OrganizationalUnitIds:',
    '    Type: CommaDelimitedList',
    "    Description: 'The root of the organization (r-…) or organizational units (ou-…), separated by commas'",
    'Resources:',
    ...role({ ...given, statements: [...given.statements, ...management] }),
    '  DroverStackSet:',
    '    Type: AWS::CloudFormation::StackSet',
    '    Properties:',
    `      StackSetName: ${quote(given.roleName)}`,
    `      Description: ${quote(given.description)}`,
    '      PermissionModel: SERVICE_MANAGED',
    '      AutoDeployment:',
    '        Enabled: true',
    '        RetainStacksOnAccountRemoval: false',
    '      Capabilities:',
    '        - CAPABILITY_NAMED_IAM',
    '      OperationPreferences:',
    '        FailureTolerancePercentage: 100',
    '        MaxConcurrentPercentage: 100',
    '      StackInstancesGroup:',
    '        - DeploymentTargets:',
    '            OrganizationalUnitIds: !Ref OrganizationalUnitIds',
    '          Regions:',
    '            - !Ref AWS::Region',
    '      Parameters:',
    '        - ParameterKey: TrustedPrincipalArn',
    '          ParameterValue: !Ref TrustedPrincipalArn',
    '        - ParameterKey: ExternalId',
    '          ParameterValue: !Ref ExternalId',
    '      TemplateBody: |',
    ...inner.map((line) => `        ${line}`),
    ...outputs(),
  ];
  return `${lines.join('\n')}\n`;
}

/** The name by which is said later what may go. */
function howTo(overrides: string): string[] {
  return [
    '# Saved as FILE, it becomes a stack with:',
    `# aws cloudformation deploy --stack-name ${STACK_NAME} --template-file FILE --capabilities CAPABILITY_NAMED_IAM${overrides}`,
  ];
}

function head(given: TemplateGiven): string[] {
  return ["AWSTemplateFormatVersion: '2010-09-09'", `Description: ${quote(given.description)}`];
}

function parameters(given: Pick<TemplateGiven, 'principal' | 'externalId'>): string[] {
  return [
    'Parameters:',
    ...parameter('TrustedPrincipalArn', 'The identity that Drover signs with', given.principal, [
      "    AllowedPattern: 'arn:[a-z0-9-]+:(iam|sts)::[0-9]{12}:.+'",
    ]),
    ...parameter('ExternalId', 'The external ID of the connector', given.externalId, [
      '    MinLength: 2',
      '    MaxLength: 1224',
      "    AllowedPattern: '[\\w+=,.@:\\/-]*'",
    ]),
  ];
}

function role(given: TemplateGiven): string[] {
  return [
    '  DroverRole:',
    '    Type: AWS::IAM::Role',
    '    Properties:',
    `      RoleName: ${quote(given.roleName)}`,
    `      Description: ${quote(given.description)}`,
    '      MaxSessionDuration: 3600',
    '      AssumeRolePolicyDocument:',
    "        Version: '2012-10-17'",
    '        Statement:',
    '          - Sid: LetDroverIn',
    '            Effect: Allow',
    '            Principal:',
    '              AWS: !Ref TrustedPrincipalArn',
    '            Action: sts:AssumeRole',
    '            Condition:',
    '              StringEquals:',
    "                'sts:ExternalId': !Ref ExternalId",
    '      Policies:',
    `        - PolicyName: ${quote(given.policyName)}`,
    '          PolicyDocument:',
    "            Version: '2012-10-17'",
    '            Statement:',
    ...given.statements.flatMap((statement) => item(statement, 14)),
    '      Tags:',
    ...Object.entries(given.tags).flatMap(([name, value]) => [
      `        - Key: ${quote(name)}`,
      `          Value: ${quote(value)}`,
    ]),
  ];
}

function outputs(): string[] {
  return [
    'Outputs:',
    '  RoleArn:',
    "    Description: 'Paste this into the field IAM role ARN of the connector'",
    '    Value: !GetAtt DroverRole.Arn',
  ];
}

function parameter(name: string, description: string, value: string | null, more: readonly string[]): string[] {
  return [
    `  ${name}:`,
    '    Type: String',
    `    Description: ${quote(description)}`,
    ...(value === null ? [] : [`    Default: ${quote(value)}`]),
    ...more,
  ];
}

/** A member of a list of maps. */
function item(value: object, indent: number): string[] {
  const lines = map(value, indent + 2);
  const first = lines[0] as string;
  return [`${' '.repeat(indent)}- ${first.trimStart()}`, ...lines.slice(1)];
}

function map(value: object, indent: number): string[] {
  const space = ' '.repeat(indent);
  return Object.entries(value).flatMap(([name, member]) => {
    const key = /^[A-Za-z][A-Za-z0-9]*$/.test(name) ? name : quote(name);
    if (Array.isArray(member)) {
      return [`${space}${key}:`, ...member.map((one) => `${space}  - ${quote(String(one))}`)];
    }
    if (typeof member === 'object' && member !== null) return [`${space}${key}:`, ...map(member, indent + 2)];
    return [`${space}${key}: ${quote(String(member))}`];
  });
}

/** Single quotes take everything but line ends literally. */
function quote(text: string): string {
  return `'${text.replaceAll(/[\r\n]+/g, ' ').replaceAll("'", "''")}'`;
}
