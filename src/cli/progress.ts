/** What a run looks like while it goes on: one moving line at a terminal, plain lines elsewhere. */
import { Writable } from 'node:stream';
import { SingleBar } from 'cli-progress';
import type { Progress } from '../engine/definition.ts';
import type { Session } from './session.ts';
import type { TextStream } from './world.ts';
import { percentOf, progressLine, progressParts } from './progress-line.ts';

/** Between two plain lines of one phase. */
const PLAIN_EVERY_MS = 10_000;

export interface ProgressView {
  show(progress: Progress): void;
  /** Leaves the terminal clean for what comes next; nothing is shown afterwards. Safe to repeat. */
  end(): Promise<void>;
}

export function openProgressView(session: Session): ProgressView {
  const isMoving = session.terminal.isAnimated && !session.terminal.options.json;
  return isMoving ? new MovingView(session) : new PlainView(session);
}

/** Every 10 s and at each change of phase; with --json also as records. */
class PlainView implements ProgressView {
  readonly #session: Session;
  readonly #percent = new RisingPercent();
  #phase = '';
  #lastAtMs = Number.NEGATIVE_INFINITY;

  constructor(session: Session) {
    this.#session = session;
  }

  show(progress: Progress): void {
    const now = this.#session.world.clock.monotonic();
    const percent = this.#percent.of(progress);
    if (progress.phase === this.#phase && now - this.#lastAtMs < PLAIN_EVERY_MS) return;
    // Most runs pass through this phase without having anything to do in it.
    if (progress.phase === 'names' && progress.pendingItems === 0) return;
    const isChange = progress.phase !== this.#phase;
    this.#phase = progress.phase;
    this.#lastAtMs = now;
    // The end has its own report, and the start nothing to say yet.
    if (isChange && (progress.phase === 'ended' || progress.phase === 'starting')) return;
    const { terminal, format } = this.#session;
    void terminal.say(progressLine(progress, format, percent));
    void terminal
      .record({
        type: 'progress',
        runId: progress.runId,
        phase: progress.phase,
        items: progress.counters.items,
        bytes: progress.counters.bytes,
        pending: { items: progress.pendingItems, bytes: progress.pendingBytes },
        listingComplete: progress.listingComplete,
        bytesPerSecond: Math.round(progress.bytesPerSecond),
        expected: progress.expected ?? null,
        remainingMs: progress.listingComplete || progress.expected !== undefined ? progress.remainingMs : null,
      })
      .catch(() => undefined);
  }

  async end(): Promise<void> {}
}

class MovingView implements ProgressView {
  readonly #session: Session;
  readonly #bar: SingleBar;
  readonly #stream: Writable;
  readonly #percent = new RisingPercent();
  #isStarted = false;
  #isEnded = false;

  constructor(session: Session) {
    this.#session = session;
    this.#stream = writableOf(session.terminal.stderr);
    this.#bar = new SingleBar({
      // The bar is as wide as the line leaves room for; text that does not fit is cut, never wrapped.
      format: (_options, _parameters, payload) => this.#line(payload as { progress: Progress; percent: number | null }),
      stream: this.#stream,
      hideCursor: true,
      clearOnComplete: true,
      fps: 4,
      forceRedraw: true,
    });
  }

  show(progress: Progress): void {
    if (progress.phase === 'ended' || this.#isEnded) return;
    const payload = { progress, percent: this.#percent.of(progress) };
    if (this.#isStarted) this.#bar.update(payload.percent ?? 0, payload);
    else {
      this.#isStarted = true;
      this.#bar.start(100, payload.percent ?? 0, payload);
    }
  }

  async end(): Promise<void> {
    if (this.#isEnded) return;
    this.#isEnded = true;
    if (this.#isStarted) this.#bar.stop();
    // What comes next must not overtake the bar's last words.
    await new Promise<void>((resolve) => this.#stream.end(resolve));
  }

  #line({ progress, percent }: { progress: Progress; percent: number | null }): string {
    const parts = progressParts(progress, this.#session.format, percent);
    const room = this.#session.terminal.stderr.columns() - 1;
    while (parts.length > 1 && parts.join('  ').length > room) parts.pop();
    const words = parts.join('  ');
    const barWidth = Math.min(24, room - words.length - 4);
    if (percent === null || barWidth < 8) return words.slice(0, room);
    const full = Math.floor((percent / 100) * barWidth);
    return `[${'█'.repeat(full)}${'░'.repeat(barWidth - full)}]  ${words}`;
  }
}

/** Totals may still grow when a folder is read again; what people see never goes back. */
class RisingPercent {
  #highest = 0;

  of(progress: Progress): number | null {
    const percent = percentOf(progress);
    if (percent === null) return null;
    this.#highest = Math.max(this.#highest, percent);
    return this.#highest;
  }
}

/** cli-progress wants a stream of Node's kind with a terminal's properties. */
function writableOf(stream: TextStream): Writable {
  const writable = new Writable({
    decodeStrings: false,
    write: (chunk: string, _encoding, done) => {
      stream.write(chunk).then(
        () => done(),
        () => done(),
      );
    },
  });
  return Object.assign(writable, { isTTY: stream.isTerminal });
}
