/** One request on one connection, from its first byte to the last of its answer. */
import type { Dispatcher } from 'undici';
import { DroverError } from '../model/errors.ts';
import type { OutgoingStream } from './http-body.ts';
import { IncomingBody } from './http-answer.ts';
import { codeOf } from './http-connect.ts';
import { cancelled } from './system.ts';
import type { HttpRequest, HttpResponse } from './transport.ts';

const IDLE_MS_MAX = 60_000;
/** A timer that is asked for more fires at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

const LOST_CODES = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE', 'ECONNABORTED']);

/** Thrown inside undici to take back a request that has not begun. */
const NOT_WANTED = new Error('not wanted');

export class Exchange implements Dispatcher.DispatchHandler {
  readonly answer: Promise<HttpResponse>;
  private readonly request: HttpRequest;
  private readonly outgoing: OutgoingStream | null;
  private readonly onFreed: () => void;
  private readonly onNotWanted: (error: DroverError) => void;
  private readonly host: string;
  private readonly watch: SilenceWatch;
  private readonly stop: () => void;
  private resolve!: (response: HttpResponse) => void;
  private reject!: (error: DroverError) => void;
  private controller: Dispatcher.DispatchController | null = null;
  private incoming: IncomingBody | null = null;
  private failure: DroverError | null = null;
  private isLost = false;

  /**
   * `onFreed` is called exactly once, when the connection can carry another request; `onNotWanted` when there is no
   * connection yet and none is needed any more.
   */
  constructor(
    request: HttpRequest,
    outgoing: OutgoingStream | null,
    lane: { readonly onFreed: () => void; readonly onNotWanted: (error: DroverError) => void },
  ) {
    this.request = request;
    this.outgoing = outgoing;
    this.onFreed = lane.onFreed;
    this.onNotWanted = lane.onNotWanted;
    this.host = new URL(request.origin).host;
    const idleMsMax = Math.min(request.idleMsMax ?? IDLE_MS_MAX, TIMER_MS_MAX);
    this.watch = new SilenceWatch(idleMsMax, () => {
      this.abort(new DroverError('TIMED_OUT', `${this.host} was silent for ${Math.round(idleMsMax / 1000)} s.`));
    });
    this.answer = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.stop = () => this.abort(cancelled(request.signal));
    request.signal.addEventListener('abort', this.stop, { once: true });
  }

  /** Our own content is slow, or goes on: only the service's silence counts. */
  onProgress(state: 'waiting' | 'sending'): void {
    if (this.incoming !== null) return;
    if (state === 'waiting') this.watch.rest();
    else this.watch.begin();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.failure !== null) throw NOT_WANTED;
    this.controller = controller;
    this.watch.begin();
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, given: HeaderValues): void {
    if (status < 200) return;
    this.watch.rest();
    if (status >= 400) this.outgoing?.suspend();
    const headers = joined(given);
    const body = new IncomingBody({
      lengthBytes: expectedLength(this.request.method, status, headers),
      host: this.host,
      watch: this.watch,
      pause: () => controller.pause(),
      resume: () => controller.resume(),
      abort: (error) => this.abort(error),
    });
    this.incoming = body;
    this.resolve({
      status,
      headers,
      body,
      bytes: (bytesMax) => body.bytes(bytesMax),
      discard: () => body.discard(),
    });
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.incoming?.push(chunk);
  }

  onResponseEnd(): void {
    this.settle();
    this.incoming?.end();
    this.onFreed();
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    this.settle();
    this.isLost = this.failure === null && LOST_CODES.has(codeOf(error));
    const failure = this.failure ?? this.outgoing?.failure ?? this.translated(error);
    if (this.incoming !== null) this.incoming.fail(failure);
    else this.reject(failure);
    this.onFreed();
  }

  /** The connection ended under a request that was sent, and no answer had begun. */
  isLostUnanswered(): boolean {
    return this.isLost && this.controller !== null && this.incoming === null;
  }

  private abort(error: DroverError): void {
    if (this.failure !== null) return;
    this.failure = error;
    if (this.controller !== null) return this.controller.abort(error);
    // Still waiting for the connection: the caller is told now, and undici when it gets there.
    this.settle();
    this.reject(error);
    this.onNotWanted(error);
  }

  private settle(): void {
    this.watch.end();
    this.request.signal.removeEventListener('abort', this.stop);
    this.outgoing?.close();
  }

  private translated(error: Error): DroverError {
    if (error instanceof DroverError) return error;
    const { host } = this;
    const code = codeOf(error);
    const options = { cause: error, details: { code } };
    if (this.incoming !== null && /^UND_ERR_(SOCKET|RES_CONTENT_LENGTH)|^HPE_INVALID_EOF/.test(code)) {
      return new DroverError('EARLY_END', `${host} closed the connection in the middle of its answer.`, options);
    }
    if (LOST_CODES.has(code)) {
      const when = this.incoming === null ? 'before it answered' : 'in the middle of its answer';
      return new DroverError('UNAVAILABLE', `The connection to ${host} was lost ${when}.`, options);
    }
    if (code === 'ETIMEDOUT' || code === 'EHOSTUNREACH') {
      return new DroverError('UNAVAILABLE', `The connection to ${host} broke off.`, options);
    }
    if (error.name === 'HTTPParserError') {
      return new DroverError('UNAVAILABLE', `${host} does not answer in proper HTTP: ${error.message}.`, options);
    }
    if (code === 'UND_ERR_HEADERS_OVERFLOW') {
      return new DroverError('UNAVAILABLE', `The headers of the answer of ${host} are too large.`, options);
    }
    return new DroverError('INTERNAL', `A request to ${host} could not be sent: ${error.message}.`, options);
  }
}

type HeaderValues = Readonly<Record<string, string | string[] | undefined>>;

function joined(given: HeaderValues): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(given)) {
    if (value !== undefined) headers[name] = typeof value === 'string' ? value : value.join(', ');
  }
  return headers;
}

/** Bytes that the answer must bring; `null` when only its framing tells. */
function expectedLength(method: string, status: number, headers: Record<string, string>): number | null {
  if (method === 'HEAD' || status === 204 || status === 304) return 0;
  const text = headers['content-length'];
  return text === undefined || headers['transfer-encoding'] !== undefined ? null : Number(text);
}

/** One timer for all the waits of a request. */
export class SilenceWatch {
  private readonly timer: NodeJS.Timeout;
  private isWatching = false;
  private isEnded = false;
  private begun = 0;

  constructor(idleMsMax: number, onSilence: () => void) {
    this.timer = setTimeout(() => {
      const { begun } = this;
      // Where it was this process that stood still, what came meanwhile is read only after its timers: heard it is first.
      setImmediate(() => {
        if (this.isWatching && this.begun === begun) onSilence();
      });
    }, idleMsMax);
  }

  /** From now on the service is to be heard. */
  begin(): void {
    // Refreshing a cleared timer would start it again.
    if (this.isEnded) return;
    this.isWatching = true;
    this.begun += 1;
    this.timer.refresh();
  }

  /** We are the ones who are waited for. */
  rest(): void {
    this.isWatching = false;
  }

  end(): void {
    this.isEnded = true;
    this.isWatching = false;
    clearTimeout(this.timer);
  }
}
