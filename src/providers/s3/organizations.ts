/** The accounts of an AWS organization, as its management account or a delegated administrator sees them. */
import { JsonService, type JsonAnswer } from '../../lib/json-call.ts';
import type { HttpResponse } from '../../lib/transport.ts';
import type { Context, MemberAccount } from '../../contract/provider.ts';
import { DroverError, type ErrorCode } from '../../model/errors.ts';
import { domainOf, type Partition } from './address.ts';
import { awsJsonHeaders, awsRefusal, type AwsCodes } from './aws-json.ts';
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
const ORGANIZATIONS = { operation: 'ORGANIZATIONS', idleMsMax: 20_000, throttledMsMax: 60_000 } as const;

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
    const { caCertificate } = this.#sending;
    await using service = new JsonService(this.#sending, { ...ORGANIZATIONS, caCertificate });
    for (let token: string | null = null; ;) {
      const { items, next } = await this.#page(service, token, signal);
      yield items;
      if (next === null) return;
      // Ended here, accounts behind it would be taken for gone.
      if (next === token) throw unreadable();
      token = next;
    }
  }

  async #page(service: JsonService, token: string | null, signal: AbortSignal): Promise<AccountsPage> {
    const { partition } = this.#role;
    const region = REGIONS[partition];
    const url = new URL(`https://organizations.${region}.${domainOf(partition)}`);
    const wish = { MaxResults: PAGE_ACCOUNTS, ...(token === null ? {} : { NextToken: token }) };
    const body = Buffer.from(JSON.stringify(wish));
    const call = { url, region, service: 'organizations', target: TARGET, body };
    const headers = async () =>
      awsJsonHeaders(call, (await this.#acting.current(signal)).keys, this.#sending.time.now());
    return this.#read(await service.post({ url, headers, body, refusal }, signal));
  }

  #read(answer: JsonAnswer): AccountsPage {
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

function unreadable(): DroverError {
  return new DroverError(
    'UNAVAILABLE',
    'The answer of AWS Organizations to ListAccounts does not hold what it should.',
  );
}

function refusal(response: HttpResponse, answer: JsonAnswer): DroverError {
  const { code, words } = awsRefusal(response, answer, CODES);
  const message = `The accounts of the organization cannot be listed: AWS Organizations refused (${words}).`;
  return new DroverError(code, message, { remedy: REMEDIES[code] ?? null });
}

const CODES: AwsCodes = [
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
