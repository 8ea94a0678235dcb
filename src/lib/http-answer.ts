/** The body of an answer, handed on chunk by chunk as it comes, at the speed of whoever reads it. */
import { DroverError } from '../model/errors.ts';

/** Read ahead of the reader at most about this much (plus what one read of the socket brings). */
const AHEAD_BYTES_MAX = 128 * 1024;
/** A rest up to this size is cheaper to read than a new connection. */
const DISCARD_BYTES_MAX = 64 * 1024;

const END: IteratorResult<Uint8Array> = { done: true, value: undefined };

interface Wiring {
  readonly lengthBytes: number | null;
  readonly host: string;
  readonly watch: { begin(): void; rest(): void };
  pause(): void;
  resume(): void;
  abort(error: DroverError): void;
}

export class IncomingBody implements AsyncIterableIterator<Uint8Array> {
  private readonly wiring: Wiring;
  private readonly chunks: Uint8Array[] = [];
  private aheadBytes = 0;
  private countBytes = 0;
  private isPaused = false;
  private isOver = false;
  private isLeft = false;
  private failure: DroverError | null = null;
  private reader: PromiseWithResolvers<IteratorResult<Uint8Array>> | null = null;

  constructor(wiring: Wiring) {
    this.wiring = wiring;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    const chunk = this.isLeft ? undefined : this.chunks.shift();
    if (chunk !== undefined) {
      this.aheadBytes -= chunk.length;
      if (this.chunks.length === 0) this.unpause();
      return Promise.resolve({ done: false, value: chunk });
    }
    if (this.isLeft) return Promise.resolve(END);
    if (this.failure !== null) return Promise.reject(this.failure);
    if (this.isOver) return Promise.resolve(END);
    this.reader ??= Promise.withResolvers();
    this.wiring.watch.begin();
    this.unpause();
    return this.reader.promise;
  }

  return(): Promise<IteratorResult<Uint8Array>> {
    this.leave();
    return Promise.resolve(END);
  }

  async bytes(bytesMax: number): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    let sizeBytes = 0;
    for await (const chunk of this) {
      sizeBytes += chunk.length;
      if (sizeBytes > bytesMax) {
        throw new DroverError(
          'EXTRA_BYTES',
          `The answer of ${this.wiring.host} is larger than ${bytesMax} bytes, the most it may have here.`,
        );
      }
      pieces.push(chunk);
    }
    return pieces.length === 1 ? (pieces[0] as Uint8Array) : Buffer.concat(pieces, sizeBytes);
  }

  async discard(): Promise<void> {
    const { lengthBytes } = this.wiring;
    const restBytes = lengthBytes === null ? 0 : lengthBytes - this.countBytes;
    if (restBytes > DISCARD_BYTES_MAX) return this.leave();
    let discardedBytes = 0;
    try {
      for await (const chunk of this) {
        discardedBytes += chunk.length;
        if (discardedBytes > DISCARD_BYTES_MAX) return;
      }
    } catch {
      // The connection is gone, and with it all there was to discard.
    }
  }

  push(chunk: Uint8Array): void {
    if (this.isLeft) return;
    this.countBytes += chunk.length;
    if (this.reader !== null) return this.answerReader((reader) => reader.resolve({ done: false, value: chunk }));
    this.chunks.push(chunk);
    this.aheadBytes += chunk.length;
    if (this.aheadBytes >= AHEAD_BYTES_MAX && !this.isPaused) {
      this.isPaused = true;
      this.wiring.pause();
    }
  }

  end(): void {
    const { lengthBytes, host } = this.wiring;
    if (lengthBytes !== null && this.countBytes < lengthBytes) {
      const sentence = `The answer of ${host} ended after ${this.countBytes} of ${lengthBytes} bytes.`;
      return this.fail(new DroverError('EARLY_END', sentence));
    }
    this.isOver = true;
    if (this.reader !== null) this.answerReader((reader) => reader.resolve(END));
  }

  fail(error: DroverError): void {
    if (this.isOver) return;
    this.isOver = true;
    this.failure = error;
    if (this.reader !== null) this.answerReader((reader) => reader.reject(error));
  }

  private leave(): void {
    if (this.isLeft) return;
    this.isLeft = true;
    this.chunks.length = 0;
    if (!this.isOver) this.wiring.abort(new DroverError('CANCELLED', 'The rest of the answer was not wanted.'));
    if (this.reader !== null) this.answerReader((reader) => reader.resolve(END));
  }

  private answerReader(how: (reader: PromiseWithResolvers<IteratorResult<Uint8Array>>) => void): void {
    const reader = this.reader as PromiseWithResolvers<IteratorResult<Uint8Array>>;
    this.reader = null;
    this.wiring.watch.rest();
    how(reader);
  }

  private unpause(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    this.wiring.resume();
  }
}
