/** Where words and JSON lines go: results to standard output, talk to standard error, never mixed. */
import type { Failure } from '../model/errors.ts';
import { summaryLine, type Summary } from './summary.ts';
import type { CliWorld, TextStream } from './world.ts';

export interface TerminalOptions {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
}

export class Terminal {
  readonly options: TerminalOptions;
  readonly stderr: TextStream;
  readonly #stdout: TextStream;
  readonly #isColored: boolean;
  #hasSummary = false;

  constructor(world: CliWorld, options: TerminalOptions) {
    this.options = options;
    this.#stdout = world.stdout;
    this.stderr = world.stderr;
    const plain = isSet(world.environment['NO_COLOR']) || isSet(world.environment['DROVER_PLAIN']);
    this.#isColored = world.stderr.isTerminal && !plain && world.environment['TERM'] !== 'dumb';
  }

  /** Moving pictures are for people at a terminal who did not ask for less. */
  get isAnimated(): boolean {
    return this.#isColored && !this.options.quiet;
  }

  /** Talk: what is about to happen, progress, hints. */
  async say(text: string): Promise<void> {
    if (!this.options.quiet) await this.#writeQuietly(this.stderr, `${text}\n`);
  }

  /** What the command was called for. With --json its words become talk. */
  async print(text: string): Promise<void> {
    if (this.options.json) return this.say(text);
    await this.#stdout.write(`${text}\n`);
  }

  /** Raw content; only without --json. */
  async printBytes(content: Uint8Array): Promise<void> {
    await this.#stdout.write(content);
  }

  /** One JSON line, only with --json. */
  async record(value: Readonly<Record<string, unknown>>): Promise<void> {
    if (this.options.json) await this.#stdout.write(`${JSON.stringify(value)}\n`);
  }

  /** What happened, why, and what to do; the details only for those who asked. */
  async fail(failure: Failure, stack: string | null): Promise<void> {
    await this.#writeQuietly(this.stderr, `${this.red(failureText(failure))}\n`);
    if (stack !== null) await this.#writeQuietly(this.stderr, `${stack.split('\n').map(visible).join('\n')}\n`);
  }

  /** Written at most once, however the command ends. */
  async summarize(summary: Summary): Promise<void> {
    if (!this.options.json || this.#hasSummary) return;
    this.#hasSummary = true;
    await this.#writeQuietly(this.#stdout, `${JSON.stringify(summaryLine(summary))}\n`);
  }

  red(text: string): string {
    return this.#isColored ? `\u001b[31m${text}\u001b[39m` : text;
  }

  bold(text: string): string {
    return this.#isColored ? `\u001b[1m${text}\u001b[22m` : text;
  }

  /** Talk that nobody hears is no reason to stop the work. */
  async #writeQuietly(stream: TextStream, text: string): Promise<void> {
    await stream.write(text).catch(() => undefined);
  }
}

/** Never a stack trace; the remedy follows unless the message says it already. */
export function failureText(failure: Failure): string {
  const message = visible(failure.message);
  return failure.remedy === '' || message.includes(failure.remedy) ? message : `${message}\n${visible(failure.remedy)}`;
}

/**
 * A name as it can be shown on one line: control characters, characters that turn the writing direction, and bytes
 * that are no text are spelled out, so that no name can move the cursor or pretend to be another.
 */
export function visible(name: string): string {
  return name.replaceAll(
    // oxlint-disable-next-line no-control-regex
    /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g,
    (character) => {
      if (character === '\n') return '\\n';
      if (character === '\t') return '\\t';
      return `\\u{${character.charCodeAt(0).toString(16)}}`;
    },
  );
}

/** As it has to be typed in a shell. */
export function shellWord(text: string): string {
  const shown = visible(text);
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(shown) ? shown : `'${shown.replaceAll("'", `'\\''`)}'`;
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== '';
}
