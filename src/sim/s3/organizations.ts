/** AWS Organizations as far as Drover asks it: ListAccounts of the JSON protocol. */

import type { SimRequest, SimResponse, Target } from '../http.ts';
import { textBody } from '../http.ts';
import { authenticate } from './auth.ts';
import { S3Error } from './error.ts';
import { allows } from './permission.ts';
import type { S3World } from './state.ts';

const HOST = /^organizations\.(us-east-1|us-gov-west-1|cn-northwest-1)\.amazonaws\.com(\.cn)?$/;
const PAGE_MAX = 20;

export function isOrganizations(host: string): boolean {
  return HOST.test(host.toLowerCase().replace(/:\d+$/, ''));
}

export function answerOrganizations(world: S3World, request: SimRequest, target: Target): SimResponse {
  try {
    return answered(200, listAccounts(world, request, target));
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    return answered(error.status >= 500 ? error.status : 400, { __type: error.code, Message: error.message });
  }
}

function answered(status: number, value: object): SimResponse {
  return { status, headers: { 'content-type': 'application/x-amz-json-1.1' }, body: textBody(JSON.stringify(value)) };
}

function listAccounts(world: S3World, request: SimRequest, target: Target): object {
  const signer = authenticate(world, request, target);
  if (signer === null) throw new S3Error('MissingAuthenticationTokenException', 'Missing Authentication Token');
  const region = HOST.exec(request.host.toLowerCase().replace(/:\d+$/, ''))?.[1];
  if (signer.service !== 'organizations' || signer.region !== region) {
    throw new S3Error(
      'InvalidSignatureException',
      `Credential should be scoped to a valid region, not ${signer.region}.`,
    );
  }
  if (request.headers['x-amz-target'] !== 'AWSOrganizationsV20161128.ListAccounts') {
    throw new S3Error('UnknownOperationException', 'The operation is not known.');
  }
  const action = { action: 'organizations:ListAccounts', bucket: null, name: '*' };
  if (!allows(signer.identity.grants, action)) {
    throw new S3Error('AccessDeniedException', "You don't have permissions to access this resource.");
  }
  const { organization } = world.options;
  if (organization === undefined) {
    throw new S3Error('AWSOrganizationsNotInUseException', 'Your account is not a member of an organization.');
  }
  if (signer.identity.accountId !== organization.managementAccountId) {
    throw new S3Error('AccessDeniedException', "You don't have permissions to access this resource.");
  }
  const { NextToken, MaxResults } = JSON.parse(Buffer.from(request.body).toString('utf8') || '{}') as {
    NextToken?: string;
    MaxResults?: number;
  };
  const from = NextToken === undefined ? 0 : Number(NextToken.replace(/^token-/, ''));
  const to = from + Math.min(MaxResults ?? PAGE_MAX, organization.pageMax ?? PAGE_MAX);
  const Accounts = organization.accounts.slice(from, to).map(({ accountId, name, state }) => ({
    Id: accountId,
    Arn: `arn:aws:organizations::${organization.managementAccountId}:account/o-sim/${accountId}`,
    Name: name,
    State: state ?? 'ACTIVE',
  }));
  return { Accounts, ...(to < organization.accounts.length ? { NextToken: `token-${to}` } : {}) };
}
