import { EXIT_BY_CODE } from '../../src/cli/exit.ts';
import { ERRORS, type ErrorCode, type ErrorPolicy } from '../../src/model/errors.ts';
import { code, page, table } from './markdown.ts';

const RETRY: Readonly<Record<ErrorPolicy['retry'], string>> = {
  never: 'no',
  soon: 'yes, after a short wait',
  later: 'yes, when the service allows it; costs no attempt',
};

const SCOPE: Readonly<Record<ErrorPolicy['scope'], string>> = {
  item: 'this item fails, the run goes on',
  account: "the connector's runs pause",
  run: 'the run ends',
};

const OWNER: Readonly<Record<ErrorPolicy['owner'], string>> = {
  operator: 'you',
  provider: 'the storage service',
  us: 'Drover',
};

export function errorsPage(): string {
  const rows = Object.entries(ERRORS).map(([name, policy]) => {
    const { before, during } = EXIT_BY_CODE[name as ErrorCode];
    const exit = before === during ? String(before) : `${before} before anything was moved, then ${during}`;
    return [code(name), RETRY[policy.retry], SCOPE[policy.scope], OWNER[policy.owner], policy.remedy, exit];
  });
  return page(
    'Error codes',
    `Every failure has one of these codes: in the summary (${code('error.code')}), in the log of a run (${code('code')}) and in the item reports. What Drover does about a failure follows from its code alone. Where a better sentence than the one below is known, it is shown instead. The last column is the [exit code](exit-codes.md) when the failure ends the command.`,
    table(['Code', 'Tried again', 'Concerns', 'Can be mended by', 'What to do', 'Exit code'], rows),
  );
}
