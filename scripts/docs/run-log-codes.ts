import { RUN_LOG_CODES } from '../../src/model/run-log-codes.ts';
import { code, page, table } from './markdown.ts';

export function runLogCodesPage(): string {
  const rows = Object.entries(RUN_LOG_CODES).map(([name, { meaning, remedy }]) => [code(name), meaning, remedy]);
  return page(
    'Codes of run logs',
    `Each line of the log of a run on a server (${code('drover run log')}) has a code: one of the [error codes](errors.md) where something went wrong, at the end one line for each [code of items](item-codes.md) with their number, and otherwise one of these. The log is bounded: a phase is told once, what can come again and again a hundred times, and never a single object.`,
    table(['Code', 'What it means', 'What to do'], rows),
  );
}
