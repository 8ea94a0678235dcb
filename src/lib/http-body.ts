/**
 * The body on its way out. A service stores what it was sent as soon as the declared length is reached, so the last
 * chunk is held back until the content has really ended: a stream that fails or runs over at its end is never stored.
 */
import { DroverError, toDroverError } from '../model/errors.ts';

/** Large buffers go out in slices, so that silence on a slow line can be told from a long write. */
const SLICE_BYTES = 256 * 1024;

const END: IteratorResult<Uint8Array> = { done: true, value: undefined };

/** `waiting`: the content is asked for more, so that silence is not the network's. */
export type OnProgress = (state: 'waiting' | 'sending') => void;

/** Cuts a buffer; a small one is passed on as it is. */
export function slicesOf(content: Uint8Array): Uint8Array | AsyncIterable<Uint8Array> {
  if (content.length <= SLICE_BYTES) return content;
  return (async function* () {
    for (let at = 0; at < content.length; at += SLICE_BYTES) yield content.subarray(at, at + SLICE_BYTES);
  })();
}

/** Reads a stream once, counting: EARLY_END or EXTRA_BYTES instead of its last chunk when it does not fit `sizeBytes`. */
export class OutgoingStream implements AsyncIterableIterator<Uint8Array> {
  private readonly inner: AsyncIterator<Uint8Array>;
  private readonly sizeBytes: number;
  private readonly onProgress: OnProgress;
  private countBytes = 0;
  /** What the content itself failed with: told as it is, never mistaken for a fault of the network. */
  failure: DroverError | null = null;
  private held: Uint8Array | null = null;
  private isClosed = false;
  private suspended: Promise<void> | null = null;
  private wake: (() => void) | null = null;

  constructor(content: AsyncIterable<Uint8Array>, sizeBytes: number, onProgress: OnProgress) {
    this.inner = content[Symbol.asyncIterator]();
    this.sizeBytes = sizeBytes;
    this.onProgress = onProgress;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    for (;;) {
      if (this.suspended !== null) await this.suspended;
      if (this.isClosed) return END;
      this.onProgress('waiting');
      const step = await this.pull();
      this.onProgress('sending');
      if (this.suspended !== null) await this.suspended;
      if (this.isClosed) return END;
      if (step.done === true) return this.ended();
      const chunk = step.value;
      if (chunk.length === 0) continue;
      this.countBytes += chunk.length;
      if (this.countBytes > this.sizeBytes) throw this.differs('EXTRA_BYTES');
      if (this.countBytes < this.sizeBytes) return { done: false, value: chunk };
      this.held = chunk;
    }
  }

  return(): Promise<IteratorResult<Uint8Array>> {
    this.close();
    return Promise.resolve(END);
  }

  /** The answer is here before the body is out: nothing more is sent, and the connection stays open to read it. */
  suspend(): void {
    this.suspended ??= new Promise((resolve) => (this.wake = resolve));
  }

  /** Ends the content's iteration, without waiting for a `next` that may be stuck. Safe to repeat. */
  close(): void {
    if (!this.isClosed) {
      this.isClosed = true;
      // Whatever the content says about being closed, the request's own outcome is what counts.
      void Promise.resolve(this.inner.return?.()).catch(() => undefined);
    }
    this.wake?.();
  }

  private async pull(): Promise<IteratorResult<Uint8Array>> {
    try {
      return await this.inner.next();
    } catch (error) {
      this.isClosed = true;
      this.failure = toDroverError(error);
      throw this.failure;
    }
  }

  private ended(): IteratorResult<Uint8Array> {
    if (this.countBytes < this.sizeBytes) throw this.differs('EARLY_END');
    const { held } = this;
    if (held === null) {
      this.isClosed = true;
      return END;
    }
    this.held = null;
    return { done: false, value: held };
  }

  private differs(code: 'EARLY_END' | 'EXTRA_BYTES'): DroverError {
    this.close();
    const what = code === 'EARLY_END' ? 'ended after' : 'went on past';
    const bytes = code === 'EARLY_END' ? this.countBytes : this.sizeBytes;
    this.failure = new DroverError(
      code,
      `The content to send ${what} ${bytes} bytes, but ${this.sizeBytes} were declared.`,
    );
    return this.failure;
  }
}
