/** Services that are asked rarely and answer in JSON: over a connection of their own, tried again where that may help. */
import type { DroverError } from '../model/errors.ts';
import { retrying } from './retry.ts';
import type { HttpResponse, OpenTransport, Transport } from './transport.ts';
import type { Clock, Log, Random } from './world.ts';

const ATTEMPTS_MAX = 4;
const ANSWER_BYTES_MAX = 1024 * 1024;

export type JsonAnswer = Readonly<Record<string, unknown>>;

export interface JsonCall {
  readonly url: URL;
  /** Made anew for each attempt, so that signatures and tokens are fresh. */
  readonly headers: () => Promise<Readonly<Record<string, string>>>;
  readonly body: Uint8Array;
  /** What an answer other than 200 means; its code decides whether it is tried again. */
  readonly refusal: (response: HttpResponse, answer: JsonAnswer) => DroverError;
}

export interface JsonServiceOptions {
  /** On the bill of requests. */
  readonly operation: string;
  readonly caCertificate: string | null;
  readonly idleMsMax: number;
  /** The sum of the waits for a service that throttles. */
  readonly throttledMsMax: number;
}

/** Keeps a start that waits for a key short. */
export const KEY_SERVICE: JsonServiceOptions = {
  operation: 'KMS',
  caCertificate: null,
  idleMsMax: 10_000,
  throttledMsMax: 10_000,
};

export interface JsonWorld {
  readonly openTransport: OpenTransport;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export class JsonService implements AsyncDisposable {
  readonly #world: JsonWorld;
  readonly #options: JsonServiceOptions;
  readonly #transport: Transport;

  constructor(world: JsonWorld, options: JsonServiceOptions) {
    this.#world = world;
    this.#options = options;
    this.#transport = world.openTransport({ caCertificate: options.caCertificate, connectionsMax: 1 });
  }

  /** Posts, and gives the members of the answer: none when what answered is no such service. */
  async post(call: JsonCall, signal: AbortSignal): Promise<JsonAnswer> {
    const { clock, random, log } = this.#world;
    const { throttledMsMax } = this.#options;
    const once = (): Promise<JsonAnswer> => this.#once(call, signal);
    return retrying(once, { clock, random, log, signal, attemptsMax: ATTEMPTS_MAX, throttledMsMax });
  }

  async #once({ url, headers, body, refusal }: JsonCall, signal: AbortSignal): Promise<JsonAnswer> {
    const { operation, idleMsMax } = this.#options;
    const response = await this.#transport.send({
      method: 'POST',
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      headers: await headers(),
      body: { sizeBytes: body.length, content: body },
      operation,
      signal,
      idleMsMax,
    });
    const answer = await jsonIn(response);
    if (response.status !== 200) throw refusal(response, answer);
    return answer;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#transport.close();
  }
}

/** Nothing where something else answered: a portal that wants a sign-in, a proxy with a page of its own. */
async function jsonIn(response: HttpResponse): Promise<JsonAnswer> {
  const bytes = await response.bytes(ANSWER_BYTES_MAX);
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
