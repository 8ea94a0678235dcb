/** One call of `drover`: words in, exit code out. */
import { CommanderError, type Command } from 'commander';
import { DroverError, toDroverError, toFailure, type Failure } from '../model/errors.ts';
import { EXIT, exitOfFailure } from './exit.ts';
import { buildProgram } from './program.ts';
import { Session, type CommandEnd, type SessionOptions } from './session.ts';
import { EMPTY_SUMMARY } from './summary.ts';
import { nearest } from './suggest.ts';
import { joinOptionalValues } from './transfer-options.ts';
import type { CliWorld } from './world.ts';

/** Never throws. Standard output and error have taken everything when it resolves. */
export async function runCli(argv: readonly string[], world: CliWorld): Promise<number> {
  const words = joinOptionalValues(argv);
  let session: Session | null = null;
  let end: CommandEnd | null = null;
  let help = '';
  let endStops: (() => void) | null = null;
  const begin = (options: SessionOptions): Session => {
    session = new Session(world, options);
    endStops = world.onStop(stopperOf(session, world));
    return session;
  };
  const program: Command = buildProgram(
    world,
    async (work) => {
      end = await work(begin(sessionOptions(program.opts())));
    },
    (text) => {
      help += text;
    },
  );
  try {
    try {
      await program.parseAsync(words, { from: 'user' });
    } catch (error) {
      if (!(error instanceof CommanderError)) throw error;
      end = await endOfCommander(error, program, words, session ?? begin(guessedOptions(words)), help);
    }
  } catch (error) {
    end = await endOfError(error, session ?? begin(guessedOptions(words)));
  }
  return finish(end, session ?? begin(guessedOptions(words)), endStops);
}

async function finish(end: CommandEnd | null, session: Session, endStops: (() => void) | null): Promise<number> {
  let { exit, summary } = end ?? { exit: EXIT.FINE, summary: EMPTY_SUMMARY };
  try {
    await session.close();
  } catch (error) {
    const failed = await endOfError(error, session);
    if (exit === EXIT.FINE) ({ exit, summary } = failed);
  }
  await session.terminal.summarize(summary);
  endStops?.();
  return exit;
}

/** First: stop cleanly. Second: at once, but scripts still get their summary. */
function stopperOf(session: Session, world: CliWorld): () => void {
  return () => {
    if (!session.signal.aborted) return session.stop();
    void session.terminal.summarize(session.interrupted()).finally(() => world.exitNow(EXIT.INTERRUPTED));
  };
}

async function endOfError(thrown: unknown, session: Session): Promise<CommandEnd> {
  const error = toDroverError(thrown);
  const failure = toFailure(error);
  const isStopped = error.code === 'CANCELLED';
  if (!isStopped) await session.terminal.fail(failure, stackOf(error, session));
  else if (session.signal.aborted) await session.terminal.say('Stopped.');
  const { runId, counters, requests } = session.interim;
  return {
    exit: exitOfFailure(failure, session.phase),
    summary: {
      runId,
      counters,
      requests,
      state: isStopped ? 'cancelled' : 'failed',
      durationMs: session.elapsedMs,
      error: failure,
    },
  };
}

/** Only for faults that nobody expected, and only for those who want to see it. */
function stackOf(error: DroverError, session: Session): string | null {
  if (!session.terminal.options.verbose || error.code !== 'INTERNAL') return null;
  const cause = error.cause instanceof Error ? error.cause : error;
  return cause.stack ?? null;
}

async function endOfCommander(
  error: CommanderError,
  program: Command,
  words: readonly string[],
  session: Session,
  help: string,
): Promise<CommandEnd> {
  const isAsked = error.code === 'commander.helpDisplayed' || error.code === 'commander.version';
  if (isAsked || (error.code === 'commander.help' && words.some((word) => word === 'help'))) {
    const { found, unknown } = helpedCommand(program, words);
    if (unknown !== null) {
      const { message, remedy } = noCommand(found, unknown);
      return endOfError(new DroverError('USAGE', message, { remedy }), session);
    }
    // Commander's own helps with commands of the first level only.
    const text = help === '' || pathOf(found).includes(' ') ? found.helpInformation() : help;
    await session.terminal.print(text.trimEnd());
    return { exit: EXIT.FINE, summary: EMPTY_SUMMARY };
  }
  const { message, remedy, field } = usageFailure(error, program, words);
  return endOfError(new DroverError('USAGE', message, { remedy, field }), session);
}

/** Commander's words name what is wrong between quotes; ours say what to do. */
function usageFailure(error: CommanderError, program: Command, words: readonly string[]): Failure {
  const quoted = /'([^']*)'/.exec(error.message)?.[1] ?? '';
  const command = commandOf(program, words);
  const path = pathOf(command);
  const usage = `"drover help${path === '' ? '' : ` ${path}`}" says how it is used.`;
  switch (error.code) {
    case 'commander.unknownOption': {
      const option = quoted.split('=')[0] as string;
      const meant = nearest(option, optionsOf(command));
      return wrongUsage(
        `There is no option ${option}.${meant === null ? '' : ` Did you mean ${meant}?`}`,
        meant === null ? usage : '',
        option,
      );
    }
    case 'commander.unknownCommand':
      return noCommand(command, quoted);
    case 'commander.missingArgument':
      return wrongUsage(`"drover ${path}" needs a ${quoted.toUpperCase()}.`, usage, quoted.toUpperCase());
    case 'commander.optionMissingArgument': {
      const option = quoted.split(/[ ,]+/).find((part) => part.startsWith('--')) ?? quoted;
      return wrongUsage(`${option} needs a value.`, usage, option);
    }
    case 'commander.excessArguments':
      // With subcommands, the line is that of the default one, and a mistyped name is one word too many for it.
      return command.commands.length > 0 ? noCommand(command, mistyped(command, words)) : tooMany(command, usage);
    case 'commander.help': {
      const subcommands = command.commands.map((sub) => sub.name()).join(', ');
      return wrongUsage(`Name a command${path === '' ? '' : ` of "drover ${path}"`}: ${subcommands}.`, usage);
    }
    default:
      return wrongUsage(error.message.replace(/^error: /, ''), usage);
  }
}

/** Often an option that needs a value has taken the option after it for one: `--daily --at 02:00`. */
function tooMany(command: Command, usage: string): Failure {
  const known = optionsOf(command);
  for (const option of command.options) {
    const values: unknown[] = [command.getOptionValue(option.attributeName())].flat();
    const taken = known.find((one) => values.includes(one));
    if (taken === undefined) continue;
    const name = option.long ?? option.flags;
    return wrongUsage(`${name} needs a value, and ${taken} stands where it should be.`, usage, name);
  }
  const names = command.registeredArguments.map((argument) => argument.name().toUpperCase());
  const takes = names.length === 0 ? 'nothing more' : names.join(' and ');
  // The word itself is not said again: it may be the rest of a secret that was not quoted.
  return wrongUsage(
    `"drover ${pathOf(command)}" takes ${takes}; there is more on the line.`,
    `Put quotes around names with spaces. ${usage}`,
  );
}

/** What other tools call it. */
const SYNONYMS: Readonly<Record<string, readonly string[]>> = {
  delete: ['remove'],
  del: ['remove'],
  rm: ['remove'],
  add: ['create'],
  new: ['create', 'add'],
  ls: ['list'],
  get: ['show'],
  describe: ['show'],
  status: ['show'],
  stop: ['cancel', 'disable'],
  edit: ['update'],
  set: ['update'],
};

function noCommand(command: Command, word: string): Failure {
  const path = pathOf(command);
  const there = subcommandsOf(command);
  const meant = SYNONYMS[word]?.find((name) => there.includes(name)) ?? nearest(word, there);
  const hint = meant === null ? '' : ` Did you mean ${meant}?`;
  const usage = `"drover help${path === '' ? '' : ` ${path}`}" says how it is used.`;
  return wrongUsage(
    `There is no command ${[path, word].filter(Boolean).join(' ')}.${hint}`,
    meant === null ? usage : '',
  );
}

/** Of the words after a command, the one that looks like a subcommand; it may stand between options and their values. */
function mistyped(command: Command, words: readonly string[]): string {
  const operands = words.slice(words.indexOf(command.name()) + 1).filter((word) => !word.startsWith('-'));
  return operands.find((word) => nearest(word, subcommandsOf(command)) !== null) ?? operands.at(-1) ?? '';
}

/** `help connector add` → `connector add`; `unknown` is the first word after `help` that names no command. */
function helpedCommand(program: Command, words: readonly string[]): { found: Command; unknown: string | null } {
  const at = words.indexOf('help');
  let found = commandOf(program, at === -1 ? words : words.slice(0, at));
  for (const word of at === -1 ? [] : words.slice(at + 1)) {
    if (word.startsWith('-')) break;
    const next = found.commands.find((sub) => sub.name() === word);
    if (next === undefined) return { found, unknown: word };
    found = next;
  }
  return { found, unknown: null };
}

function subcommandsOf(command: Command): string[] {
  return command.commands.map((sub) => sub.name());
}

function wrongUsage(message: string, remedy: string, field: string | null = null): Failure {
  return { code: 'USAGE', message, field, remedy };
}

/** The command that the words lead to, as far as they do. */
function commandOf(program: Command, words: readonly string[]): Command {
  let command = program;
  for (const word of words) {
    if (word === '--') continue;
    const next = command.commands.find((sub) => sub.name() === word);
    if (next !== undefined) command = next;
  }
  return command;
}

function pathOf(command: Command): string {
  const names: string[] = [];
  for (let at = command; at.parent !== null; at = at.parent) names.unshift(at.name());
  return names.join(' ');
}

function optionsOf(command: Command): string[] {
  const own = command.options.flatMap(({ long }) => (typeof long === 'string' ? [long] : []));
  return command.parent === null ? [...own, '--help'] : [...own, ...optionsOf(command.parent)];
}

function sessionOptions(given: Readonly<Record<string, unknown>>): SessionOptions {
  return {
    json: given['json'] === true,
    quiet: given['quiet'] === true,
    verbose: given['verbose'] === true,
    stateFolder: typeof given['state'] === 'string' ? given['state'] : null,
    server: typeof given['server'] === 'string' ? given['server'] : null,
    tokenFile: typeof given['tokenFile'] === 'string' ? given['tokenFile'] : null,
    insecureHttp: given['insecureHttp'] === true,
  };
}

/** For lines that cannot be parsed: scripts that asked for JSON get their summary all the same. */
function guessedOptions(words: readonly string[]): SessionOptions {
  const end = words.indexOf('--');
  const options = end === -1 ? words : words.slice(0, end);
  const has = (...names: string[]): boolean => options.some((word) => names.includes(word));
  return { json: has('--json'), quiet: has('--quiet', '-q'), verbose: has('--verbose', '-v'), stateFolder: null };
}
