/** The accounts of an AWS organization, as its management account or a delegated administrator sees them. */
import { Signer, sha256Hex } from '../../lib/sigv4.ts';
import { retrying } from '../../lib/retry.ts';
import type { HttpResponse, Transport } from '../../lib/transport.ts';
import type { Context, MemberAccount } from '../../contract/provider.ts';
import { DroverError, type ErrorCode } from '../../model/errors.ts';
import { domainOf, type Partition } from './address.ts';
import type { CredentialSource } from './credentials.ts';
import type { ServerTime } from './server-time.ts';

/** The role that signs in, taken apart: it has the same name in every account. */
export interface MemberRole {
  readonly partition: Partition;
  readonly accountId: string;
  /** With its path: `drover-transfer`, `teams/storage/drover-transfer`. */
  readonly name: string;
}

export function memberRole(roleArn: string): MemberRole | null {
  const parts = /^arn:(aws|aws-cn|aws-us-gov):iam::(\d{12}):role\/(.+)$/.exec(roleArn);
  if (parts === null) return null;
  return { partition: parts[1] as Partition, accountId: parts[2] as string, name: parts[3] as string };
}

/** One address per partition, whatever regions an organization uses. */
const REGIONS = { aws: 'us-east-1', 'aws-cn': 'cn-northwest-1', 'aws-us-gov': 'us-gov-west-1' } as const;
const TARGET = 'AWSOrganizationsV20161128.ListAccounts';
const PAGE_ACCOUNTS = 20;
const ANSWER_BYTES_MAX = 1024 * 1024;
const ATTEMPTS_MAX = 4;
const THROTTLED_MS_MAX = 60_000;
const IDLE_MS_MAX = 20_000;

type Sending = Pick<Context, 'clock' | 'random' | 'log' | 'openTransport'> & {
  readonly time: ServerTime;
  readonly caCertificate: string | null;
};

interface AccountsPage {
  readonly items: readonly MemberAccount[];
  readonly next: string | null;
}

export class Organizations {
  readonly #role: MemberRole;
  readonly #acting: CredentialSource;
  readonly #sending: Sending;

  constructor(role: MemberRole, acting: CredentialSource, sending: Sending) {
    this.#role = role;
    this.#acting = acting;
    this.#sending = sending;
  }

  /** A page may be empty though others follow. */
  async *members(signal: AbortSignal): AsyncGenerator<readonly MemberAccount[]> {
    const { openTransport, clock, random, log, caCertificate } = this.#sending;
    const transport = openTransport({ caCertificate, connectionsMax: 1 });
    const limits = { attemptsMax: ATTEMPTS_MAX, throttledMsMax: THROTTLED_MS_MAX };
    try {
      for (let token: string | null = null; ;) {
        const asked = token;
        const ask = () => this.#page(transport, asked, signal);
        const page: AccountsPage = await retrying(ask, { clock, random, log, signal, ...limits });
        yield page.items;
        if (page.next === null || page.next === token) return;
        token = page.next;
      }
    } finally {
      await transport.close();
    }
  }

  async #page(transport: Transport, token: string | null, signal: AbortSignal): Promise<AccountsPage> {
    const { partition } = this.#role;
    const region = REGIONS[partition];
    const host = `organizations.${region}.${domainOf(partition)}`;
    const wish = { MaxResults: PAGE_ACCOUNTS, ...(token === null ? {} : { NextToken: token }) };
    const body = Buffer.from(JSON.stringify(wish));
    const { keys } = await this.#acting.current(signal);
    const headers = new Signer(keys, { region, service: 'organizations' }).sign(
      {
        method: 'POST',
        host,
        path: '/',
        query: '',
        headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': TARGET },
        payloadHash: sha256Hex(body),
      },
      this.#sending.time.now(),
    );
    const response = await transport.send({
      method: 'POST',
      origin: `https://${host}`,
      path: '/',
      headers,
      body: { sizeBytes: body.length, content: body },
      operation: 'ORGANIZATIONS',
      signal,
      idleMsMax: IDLE_MS_MAX,
    });
    const answer = await jsonIn(response);
    if (response.status !== 200) throw refusal(response, answer);
    return this.#read(answer);
  }

  #read(answer: Readonly<Record<string, unknown>>): AccountsPage {
    const accounts = answer['Accounts'];
    if (!Array.isArray(accounts)) throw unreadable();
    const items = accounts.flatMap((account: Readonly<Record<string, unknown>>) => {
      const { Id: id, Name: name, State: state, Status: status } = account;
      if (typeof id !== 'string' || !/^\d{12}$/.test(id)) throw unreadable();
      // `State` has taken the place of `Status`; both say ACTIVE of what is in use.
      if ((state ?? status) !== 'ACTIVE') return [];
      return [{ id, name: typeof name === 'string' && name !== '' ? name : id, fills: this.#fills(id) }];
    });
    const next = answer['NextToken'];
    return { items, next: typeof next === 'string' && next !== '' ? next : null };
  }

  #fills(accountId: string): MemberAccount['fills'] {
    const { partition, accountId: own, name } = this.#role;
    return accountId === own ? {} : { roleArn: `arn:${partition}:iam::${accountId}:role/${name}` };
  }
}

async function jsonIn(response: HttpResponse): Promise<Readonly<Record<string, unknown>>> {
  const bytes = await response.bytes(ANSWER_BYTES_MAX);
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    if (response.status !== 200) return {};
    // A portal that wants a sign-in, a proxy with a page of its own.
    throw unreadable();
  }
}

function unreadable(): DroverError {
  return new DroverError(
    'UNAVAILABLE',
    'The answer of AWS Organizations to ListAccounts does not hold what it should.',
  );
}

function refusal({ status, headers }: HttpResponse, answer: Readonly<Record<string, unknown>>): DroverError {
  const type = String(headers['x-amzn-errortype'] ?? answer['__type'] ?? '')
    .replace(/^.*#/, '')
    .replace(/:.*$/, '');
  const told = String(answer['message'] ?? answer['Message'] ?? '').slice(0, 300);
  const words = [type === '' ? `status ${status}` : type, told].filter((part) => part !== '').join(', ');
  const known = CODES.find(([types]) => types.includes(type));
  const code = known?.[1] ?? codeOfStatus(status);
  const message = `The accounts of the organization cannot be listed: AWS Organizations refused (${words}).`;
  return new DroverError(code, message, { remedy: REMEDIES[code] ?? null });
}

function codeOfStatus(status: number): ErrorCode {
  if (status === 429) return 'THROTTLED';
  if (status >= 500) return 'UNAVAILABLE';
  return status === 403 ? 'PERMISSION_DENIED' : 'INTERNAL';
}

const CODES: readonly (readonly [types: readonly string[], code: ErrorCode])[] = [
  [['AccessDeniedException', 'AccessDenied'], 'PERMISSION_DENIED'],
  [['AWSOrganizationsNotInUseException', 'UnsupportedAPIEndpointException'], 'UNSUPPORTED'],
  [['UnrecognizedClientException', 'InvalidClientTokenId', 'InvalidSignatureException'], 'UNAUTHENTICATED'],
  [['SignatureDoesNotMatch', 'MissingAuthenticationTokenException'], 'UNAUTHENTICATED'],
  [['ExpiredTokenException', 'ExpiredToken'], 'CREDENTIALS_EXPIRED'],
  [['TooManyRequestsException', 'ThrottlingException'], 'THROTTLED'],
  [['ServiceException', 'InternalFailure', 'ServiceUnavailable'], 'UNAVAILABLE'],
];

const REMEDIES: Readonly<Partial<Record<ErrorCode, string>>> = {
  PERMISSION_DENIED:
    'Run the template of this connector in the management account of the organization (or in a delegated administrator): it lets the role list the accounts.',
  UNSUPPORTED: 'Sign in with the role of the management account, or choose the account type single.',
};
