/** The security token service: AssumeRole, AssumeRoleWithWebIdentity, GetCallerIdentity. */

import type { SimRequest, SimResponse } from '../http.ts';
import { decodeForm, textBody } from '../http.ts';
import { branch, leaf } from '../xml.ts';
import { S3Error, accessDenied } from './error.ts';
import { allows } from './permission.ts';
import type { Grant, Grants, Identity, S3Role, S3World, TemporaryCredentials } from './state.ts';

const XMLNS = 'xmlns="https://sts.amazonaws.com/doc/2011-06-15/"';
const CHAINED_SECONDS_MAX = 3600;

export function stsForm(request: SimRequest): ReadonlyMap<string, string> {
  const form = new Map<string, string>();
  for (const pair of Buffer.from(request.body).toString('utf8').split('&')) {
    const equals = pair.indexOf('=');
    if (equals > 0) form.set(pair.slice(0, equals), decodeForm(pair.slice(equals + 1)) ?? '');
  }
  return form;
}

export function handleSts(
  world: S3World,
  form: ReadonlyMap<string, string>,
  identity: Identity | null,
  requestId: string,
): SimResponse {
  const action = form.get('Action') ?? '';
  if (form.get('Version') !== '2011-06-15')
    throw new S3Error('InvalidAction', `Could not find operation ${action} for version ${form.get('Version')}`);
  switch (action) {
    case 'AssumeRole':
      return answer(action, assumeRole(world, form, signed(identity)), requestId);
    case 'AssumeRoleWithWebIdentity':
      return answer(action, assumeWithToken(world, form), requestId);
    case 'GetCallerIdentity': {
      const who = signed(identity);
      return answer(
        action,
        leaf('Arn', who.arn) + leaf('UserId', who.userId) + leaf('Account', who.accountId),
        requestId,
      );
    }
    default:
      throw new S3Error('InvalidAction', `Could not find operation ${action} for version 2011-06-15`);
  }
}

function signed(identity: Identity | null): Identity {
  if (identity === null) throw new S3Error('AccessDenied', 'Request is missing Authentication Token', { status: 403 });
  return identity;
}

function answer(action: string, inner: string, requestId: string): SimResponse {
  const xml = branch(
    `${action}Response ${XMLNS}`,
    branch(`${action}Result`, inner),
    branch('ResponseMetadata', leaf('RequestId', requestId)),
  );
  return { status: 200, headers: { 'content-type': 'text/xml' }, body: textBody(xml) };
}

function assumeRole(world: S3World, form: ReadonlyMap<string, string>, caller: Identity): string {
  const session = sessionName(form);
  const externalId = form.get('ExternalId');
  if (externalId !== undefined && !/^[\w+=,.@:/-]{2,1224}$/.test(externalId)) {
    throw invalid(
      `Value at 'externalId' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@:\\/-]*`,
    );
  }
  const arn = form.get('RoleArn') ?? '';
  const found = world.roles.get(arn);
  const refused = accessDenied(`User: ${caller.arn} is not authorized to perform: sts:AssumeRole on resource: ${arn}`);
  if (found === undefined) throw refused;
  const { role } = found;
  const callerArn = caller.arn.replace(/:sts::(\d+):assumed-role\/([^/]+)\/.*$/, ':iam::$1:role/$2');
  const named = role.trustedPrincipals.includes(callerArn) || role.trustedPrincipals.includes(caller.arn);
  const wholeAccount = role.trustedPrincipals.includes(`arn:aws:iam::${caller.accountId}:root`);
  const mayAsk = allows(caller.grants, { action: 'sts:AssumeRole', bucket: null, name: arn });
  // RGW 16 evaluates no condition on the external ID and refuses the whole statement.
  const condition = role.externalId === undefined || (world.dialect === 'aws' && role.externalId === externalId);
  if (!(named || (wholeAccount && mayAsk)) || !condition) throw refused;
  const seconds = duration(form, role);
  if (caller.assumed && seconds > CHAINED_SECONDS_MAX) {
    throw invalid('The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining');
  }
  return credentialsXml(
    issue(world, found.accountId, role, session, seconds, form.get('Policy')),
    role,
    found.accountId,
    session,
  );
}

function assumeWithToken(world: S3World, form: ReadonlyMap<string, string>): string {
  const session = sessionName(form);
  const token = world.options.webTokens?.[form.get('WebIdentityToken') ?? ''];
  if (token === undefined)
    throw new S3Error('InvalidIdentityToken', 'The web identity token that was passed could not be validated.');
  if (world.nowMs() >= token.expiresAtMs) throw new S3Error('ExpiredTokenException', 'Token expired');
  const found = world.roles.get(form.get('RoleArn') ?? '');
  const trust = found?.role.webIdentity;
  const fits =
    trust !== undefined &&
    trust.issuer === token.issuer &&
    trust.audience === token.audience &&
    trust.subject === token.subject;
  if (found === undefined || !fits) throw accessDenied('Not authorized to perform sts:AssumeRoleWithWebIdentity');
  const seconds = duration(form, found.role);
  const credentials = issue(world, found.accountId, found.role, session, seconds, form.get('Policy'));
  return (
    leaf('SubjectFromWebIdentityToken', token.subject) +
    leaf('Audience', token.audience) +
    leaf('Provider', token.issuer) +
    credentialsXml(credentials, found.role, found.accountId, session)
  );
}

function sessionName(form: ReadonlyMap<string, string>): string {
  const name = form.get('RoleSessionName') ?? '';
  if (!/^[\w+=,.@-]{2,64}$/.test(name)) {
    throw invalid(
      `Value '${name}' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*`,
    );
  }
  return name;
}

function duration(form: ReadonlyMap<string, string>, role: S3Role): number {
  const seconds = Number(form.get('DurationSeconds') ?? 3600);
  if (!Number.isInteger(seconds) || seconds < 900 || seconds > 43_200) {
    throw invalid(
      `Value '${form.get('DurationSeconds')}' at 'durationSeconds' failed to satisfy constraint: Member must have value between 900 and 43200`,
    );
  }
  if (seconds > (role.maxSessionSeconds ?? 3600)) {
    throw invalid('The requested DurationSeconds exceeds the MaxSessionDuration set for this role.');
  }
  return seconds;
}

function invalid(message: string): S3Error {
  return new S3Error('ValidationError', message);
}

function issue(
  world: S3World,
  accountId: string,
  role: S3Role,
  session: string,
  seconds: number,
  policy: string | undefined,
): TemporaryCredentials {
  const credentials: TemporaryCredentials = {
    accessKeyId: `ASIA${world.id(16).toUpperCase()}`,
    secretAccessKey: world.id(40),
    // As long as real ones are, so that limits on addresses are met.
    sessionToken: world.id(1000),
    expiresAtMs: Math.floor(world.nowMs() / 1000) * 1000 + seconds * 1000,
    identity: {
      accountId,
      arn: `arn:aws:sts::${accountId}:assumed-role/${role.name}/${session}`,
      userId: `AROA${role.name.toUpperCase()}:${session}`,
      grants: role.grants ?? 'all',
      sessionGrants: policy === undefined ? 'all' : sessionGrants(policy),
      assumed: true,
    },
  };
  world.sessions.set(credentials.accessKeyId, credentials);
  return credentials;
}

/** Allow statements of an inline session policy, with `s3:prefix` left aside. */
function sessionGrants(policy: string): Grants {
  const malformed = new S3Error('MalformedPolicyDocument', 'This policy contains invalid Json');
  let parsed: unknown;
  try {
    parsed = JSON.parse(policy);
  } catch {
    throw malformed;
  }
  const statements = (parsed as { Statement?: unknown }).Statement;
  if (!Array.isArray(statements) || policy.length > 2048) throw malformed;
  return statements.flatMap(
    (statement: { Effect?: string; Action?: string | string[]; Resource?: string | string[] }): Grant[] => {
      if (statement.Effect !== 'Allow') return [];
      const actions = [statement.Action ?? []].flat();
      return [statement.Resource ?? []].flat().map((resource) => {
        const [bucket = '*', ...rest] = resource.replace(/^arn:aws[\w-]*:s3:::/, '').split('/');
        const prefix = rest.join('/').replace(/\*$/, '');
        return { actions, ...(bucket === '*' ? {} : { buckets: [bucket] }), ...(prefix === '' ? {} : { prefix }) };
      });
    },
  );
}

function credentialsXml(credentials: TemporaryCredentials, role: S3Role, accountId: string, session: string): string {
  return (
    branch(
      'AssumedRoleUser',
      leaf('AssumedRoleId', credentials.identity.userId),
      leaf('Arn', `arn:aws:sts::${accountId}:assumed-role/${role.name}/${session}`),
    ) +
    branch(
      'Credentials',
      leaf('AccessKeyId', credentials.accessKeyId),
      leaf('SecretAccessKey', credentials.secretAccessKey),
      leaf('SessionToken', credentials.sessionToken),
      leaf('Expiration', new Date(credentials.expiresAtMs).toISOString().replace('.000Z', 'Z')),
    )
  );
}
