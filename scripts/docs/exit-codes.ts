import { EXIT, EXIT_BY_CODE } from '../../src/cli/exit.ts';
import { code, page, table } from './markdown.ts';

/** One sentence for each number; the compiler says when one is missing. */
const MEANING: Readonly<Record<keyof typeof EXIT, string>> = {
  FINE: 'All is well. Items that the source or the target cannot hold are reported and end with 0 too; the state is then `completed-with-issues`. So do objects that got another name at the target, and the state is `succeeded`.',
  WRONG_INPUT: 'The command, a connector or a place is wrong; nothing was moved.',
  ITEMS_FAILED: 'The run ended, but items failed, or some could be compared by size alone and that was not accepted.',
  DIFFERENT: '`check`, `verify` or `artifact verify` found differences.',
  FAILED: 'The run failed as a whole.',
  REFUSED:
    'A guard refused: an empty source, too many deletions, another run at work on the same target, a missing yes.',
  INTERRUPTED: 'Stopped from outside (Ctrl-C, SIGTERM); the same command continues.',
};

export function exitCodesPage(): string {
  const rows = Object.entries(EXIT).map(([name, number]) => [
    String(number),
    MEANING[name as keyof typeof EXIT],
    codesOf(number, 'before'),
    codesOf(number, 'during'),
  ]);
  return page(
    'Exit codes',
    'Never 1, which Node.js uses for its own crashes. What a failure means can depend on when it happens: before anything was moved the input is at fault, afterwards the run is.',
    table(['Exit code', 'Meaning', 'Errors before anything was moved', 'Errors during a run'], rows),
  );
}

function codesOf(number: number, phase: 'before' | 'during'): string {
  const names = Object.entries(EXIT_BY_CODE).filter(([, row]) => row[phase] === number);
  return names.length === 0 ? '–' : names.map(([name]) => code(name)).join(', ');
}
