/** Where the demo is seen: headings, commands as a person would type them, and what was expected of each. */
import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const DROVER = fileURLToPath(new URL('../bin/drover', import.meta.url));
const WIDTH = 78;

export interface Ran {
  readonly exit: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
}

export interface RunOptions {
  /** Besides what every command gets; for secrets, which do not belong on a command line. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Is told the process as soon as it is there, and kills it with SIGKILL at some moment; then that is said. */
  readonly killer?: (processId: number) => void;
}

export class Stage {
  readonly failures: string[] = [];
  readonly #environment: Readonly<Record<string, string>>;
  readonly #isColored: boolean;
  #running: ChildProcess | null = null;
  #isOver = false;
  #part = 0;

  constructor(environment: Readonly<Record<string, string>>) {
    this.#environment = environment;
    const noColor = process.env['NO_COLOR'];
    const isPlain = (noColor !== undefined && noColor !== '') || process.env['TERM'] === 'dumb';
    this.#isColored = process.stdout.isTTY === true && !isPlain;
  }

  say(text: string): void {
    process.stdout.write(`${text}\n`);
  }

  /** Prose, broken so that it fits a narrow terminal. */
  tell(text: string): void {
    this.say(wrap(text, WIDTH));
  }

  part(title: string): void {
    this.#part += 1;
    this.say(`\n${this.#style('1;36', `── ${this.#part}. ${title} `.padEnd(WIDTH, '─'))}\n`);
  }

  /** One line of the report; more where it does not fit. */
  row(name: string, text: string): void {
    const [first, ...rest] = wrap(text, WIDTH - 16).split('\n');
    this.say(`  ${this.#style('1', name.padEnd(12))}  ${first}`);
    for (const line of rest) this.say(`${' '.repeat(16)}${line}`);
  }

  /** The demo goes on, but it will not end well. */
  expect(what: string, holds: boolean, found: unknown = ''): void {
    if (!holds) this.failures.push(what);
    const [mark, color] = holds ? ['✓', '32'] : ['✗', '31'];
    const more = holds || found === '' ? '' : ` (found ${JSON.stringify(found)})`;
    const [first, ...rest] = wrap(what + more, WIDTH - 2).split('\n');
    this.say([`${this.#style(color, mark)} ${first}`, ...rest.map((line) => `  ${line}`)].join('\n'));
  }

  /** `drover words`, seen by whoever watches, as if they had typed it. */
  async drover(words: readonly string[], options: RunOptions = {}): Promise<Ran> {
    this.say(this.#style('1', `$ drover ${words.map(quoted).join(' ')}`));
    const ran = await this.#run(words, options, true);
    this.say('');
    return ran;
  }

  /** Behind the scenes: JSON records for the checks of the demo itself. */
  async records(words: readonly string[]): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const { stdout } = await this.#run(['--json', ...words], {}, false);
    const lines = stdout.split('\n').filter((line) => line !== '');
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /** Nothing of this stage runs any more when it resolves, and the terminal is as it was. */
  async clear(): Promise<void> {
    this.#isOver = true;
    const child = this.#running;
    if (child !== null && child.exitCode === null && child.signalCode === null) {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await gone;
    }
    this.#mendTerminal();
  }

  async #run(words: readonly string[], options: RunOptions, isSeen: boolean): Promise<Ran> {
    if (this.#isOver) throw new Error('The demo was stopped.');
    const child = spawn(DROVER, [...words], {
      env: { ...this.#environment, ...options.environment },
      // Standard error is the terminal itself where there is one: that is where the moving line is drawn.
      stdio: ['ignore', 'pipe', isSeen ? 'inherit' : 'ignore'],
    });
    this.#running = child;
    let stdout = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      if (isSeen) process.stdout.write(text);
    });
    if (child.pid !== undefined) options.killer?.(child.pid);
    return new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (exit, signal) => {
        this.#running = null;
        if (options.killer !== undefined && signal === 'SIGKILL' && !this.#isOver) this.#sayKilled(child.pid);
        resolve({ exit, signal, stdout });
      });
    });
  }

  #sayKilled(processId: number | undefined): void {
    this.#mendTerminal();
    this.say(`\n${this.#style('1;31', `$ kill -9 ${processId}`)}`);
  }

  /** A killed process could not show the cursor again, nor let lines wrap. */
  #mendTerminal(): void {
    if (process.stderr.isTTY === true) process.stderr.write('\u001b[?25h\u001b[?7h');
  }

  #style(code: string, text: string): string {
    return this.#isColored ? `\u001b[${code}m${text}\u001b[0m` : text;
  }
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

function wrap(text: string, width: number): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].join('\n');
}
