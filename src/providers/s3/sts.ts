/** Signing in with roles: the query protocol of STS, signed by ourselves so that private endpoints and proxies work. */
import { Signer, sha256Hex } from '../../lib/sigv4.ts';
import type { Transport } from '../../lib/transport.ts';
import { child, childText, parseXml } from '../../lib/xml.ts';
import type { XmlElement } from '../../lib/xml.ts';
import type { Random } from '../../lib/world.ts';
import { DroverError } from '../../model/errors.ts';
import { domainOf, partitionOf } from './address.ts';
import type { Credentials } from './credentials.ts';
import { errorOf } from './errors.ts';
import { failureOf, readFailure } from './failure.ts';
import type { S3Settings } from './fields.ts';
import type { ServerTime } from './server-time.ts';

export interface CallerIdentity {
  readonly accountId: string;
  readonly arn: string;
}

/** Always the same, so that uploads begun by an earlier process are recognised as ours. */
export const ROLE_SESSION_NAME = 'drover';
const LIFE_SECONDS = 3600;
const ANSWER_BYTES_MAX = 1024 * 1024;

/** The calls of STS that Drover makes. */
export class Sts {
  readonly #transport: Transport;
  readonly #url: URL;
  readonly #region: string;
  readonly #time: ServerTime;

  constructor(transport: Transport, settings: S3Settings, region: string, time: ServerTime) {
    this.#transport = transport;
    this.#url = new URL(stsAddress(settings, region));
    this.#region = region;
    this.#time = time;
  }

  get host(): string {
    return this.#url.host;
  }

  async assumeRole(
    role: { roleArn: string; externalId: string | null },
    signer: Credentials,
    signal: AbortSignal,
  ): Promise<Credentials> {
    const form: Record<string, string> = {
      Action: 'AssumeRole',
      RoleArn: role.roleArn,
      RoleSessionName: ROLE_SESSION_NAME,
      DurationSeconds: String(LIFE_SECONDS),
    };
    if (role.externalId !== null) form['ExternalId'] = role.externalId;
    return credentialsIn(await this.#call(form, signer, signal, 'roleArn'));
  }

  /** Unsigned: the token is the proof. */
  async assumeRoleWithWebIdentity(roleArn: string, token: string, signal: AbortSignal): Promise<Credentials> {
    const form = {
      Action: 'AssumeRoleWithWebIdentity',
      RoleArn: roleArn,
      RoleSessionName: ROLE_SESSION_NAME,
      WebIdentityToken: token,
    };
    return credentialsIn(await this.#call(form, null, signal, 'roleArn'));
  }

  /** Needs no permission. UNSUPPORTED at stores without it. */
  async callerIdentity(signer: Credentials, signal: AbortSignal): Promise<CallerIdentity> {
    const root = await this.#call({ Action: 'GetCallerIdentity' }, signer, signal, null);
    const result = child(root, 'GetCallerIdentityResult');
    const arn = result === null ? null : childText(result, 'Arn');
    if (result === null || arn === null) throw unreadable('GetCallerIdentity');
    return { accountId: childText(result, 'Account') ?? '', arn };
  }

  async #call(
    form: Record<string, string>,
    signer: Credentials | null,
    signal: AbortSignal,
    deniedField: string | null,
  ): Promise<XmlElement> {
    for (let attempt = 1; ; attempt++) {
      const response = await this.#send(form, signer, signal);
      if (response.status === 200) {
        const root = documentIn(await response.bytes(ANSWER_BYTES_MAX), form['Action'] as string);
        if (root.name !== 'Error' && root.name !== 'ErrorResponse') return root;
        throw stsError(form, failureOf(500, response.headers, root), deniedField);
      }
      const failure = await readFailure(response);
      if (attempt === 1 && this.#time.corrects(failure)) continue;
      throw stsError(form, failure, deniedField);
    }
  }

  async #send(form: Record<string, string>, signer: Credentials | null, signal: AbortSignal) {
    const body = Buffer.from(new URLSearchParams({ ...form, Version: '2011-06-15' }).toString(), 'utf8');
    const path = this.#url.pathname;
    let headers: Record<string, string> = { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' };
    if (signer !== null) {
      headers = new Signer(signer.keys, { region: this.#region, service: 'sts' }).sign(
        { method: 'POST', host: this.#url.host, path, query: '', headers, payloadHash: sha256Hex(body) },
        this.#time.now(),
      );
    }
    return this.#transport.send({
      method: 'POST',
      origin: this.#url.origin,
      path,
      headers,
      body: { sizeBytes: body.length, content: body },
      operation: 'STS',
      signal,
    });
  }
}

/** The store's own address where it is not Amazon's: compatible stores serve both from one place. */
export function stsAddress(settings: Pick<S3Settings, 'endpoint' | 'stsEndpoint'>, region: string): string {
  if (settings.stsEndpoint !== null) return settings.stsEndpoint;
  const isAmazon = settings.endpoint === null || /\.amazonaws\.com(\.cn)?$/.test(new URL(settings.endpoint).hostname);
  return isAmazon ? `https://sts.${region}.${domainOf(partitionOf(region))}` : (settings.endpoint as string);
}

/** Forty random hexadecimal digits, fit for a trust policy; unique, not secret. */
export function generateExternalId(random: Random): string {
  return `drover-${Buffer.from(random.bytes(20)).toString('hex')}`;
}

function credentialsIn(root: XmlElement): Credentials {
  const result = child(root, 'AssumeRoleResult') ?? child(root, 'AssumeRoleWithWebIdentityResult');
  const given = result === null ? null : child(result, 'Credentials');
  const text = (name: string) => (given === null ? null : childText(given, name));
  const accessKeyId = text('AccessKeyId');
  const secretAccessKey = text('SecretAccessKey');
  const sessionToken = text('SessionToken');
  const expiresAtMs = Date.parse(text('Expiration') ?? '');
  if (!accessKeyId || !secretAccessKey || !sessionToken || Number.isNaN(expiresAtMs)) throw unreadable('AssumeRole');
  return { keys: { accessKeyId, secretAccessKey, sessionToken }, expiresAtMs };
}

/** What is malformed is not shown: it may hold the keys that were just issued. */
function documentIn(bytes: Uint8Array, action: string): XmlElement {
  try {
    return parseXml(new TextDecoder().decode(bytes));
  } catch {
    throw unreadable(action);
  }
}

function unreadable(action: string): DroverError {
  return new DroverError('UNAVAILABLE', `The answer of STS to ${action} does not hold what it should.`);
}

/** Neither a missing trust nor a wrong external ID is told apart by STS, and the external ID is never repeated. */
function stsError(form: Record<string, string>, failure: Parameters<typeof errorOf>[0], deniedField: string | null) {
  const action = form['Action'] as string;
  const roleArn = form['RoleArn'];
  const subject = roleArn === undefined ? `STS ${action}` : `Signing in with the role ${roleArn}`;
  const error = errorOf(failure, subject, null);
  // Some stores say that the role is not there, others that it may not be assumed.
  const isDenied = error.code === 'PERMISSION_DENIED' || error.code === 'NOT_FOUND';
  if (!isDenied || deniedField === null) return error;
  const withExternalId = form['ExternalId'] === undefined ? 'without an external ID' : 'with the given external ID';
  return new DroverError(
    'UNAUTHENTICATED',
    `The role ${roleArn} may not be assumed ${withExternalId} (${failure.code}): it does not exist, it does not trust ` +
      'the identity that signs, or the external ID is another one.',
    {
      field: form['ExternalId'] === undefined ? deniedField : 'externalId',
      details: error.details,
      remedy:
        'Compare the trust policy of the role with the one of the connector ("drover connector policy --kind trust"), and the external ID with the field.',
    },
  );
}
