/** The CloudFormation template that makes the role: plain YAML of our own, without a library. */
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
  const lines = [
    "AWSTemplateFormatVersion: '2010-09-09'",
    `Description: ${quote(given.description)}`,
    'Parameters:',
    ...parameter('TrustedPrincipalArn', 'The identity that Drover signs with', given.principal, [
      "    AllowedPattern: 'arn:[a-z0-9-]+:(iam|sts)::[0-9]{12}:.+'",
    ]),
    ...parameter('ExternalId', 'The external ID of the connector', given.externalId, [
      '    MinLength: 2',
      '    MaxLength: 1224',
      "    AllowedPattern: '[\\w+=,.@:\\/-]*'",
    ]),
    'Resources:',
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
    'Outputs:',
    '  RoleArn:',
    "    Description: 'Paste this into the field IAM role ARN of the connector'",
    '    Value: !GetAtt DroverRole.Arn',
  ];
  return `${lines.join('\n')}\n`;
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
