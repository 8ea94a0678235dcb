import { EXIT_BY_CODE } from '../../src/cli/exit.ts';
import { ERRORS, type ErrorCode, type ErrorPolicy } from '../../src/model/errors.ts';
import { storageMoverWords } from '../../src/model/storage-mover-codes.ts';
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

/** No code tells an object with a lock of its own from a place that is closed: there Drover looks. */
const DENIED = `${SCOPE.item}; of a listing, or where the place denies what the run needs, the run pauses`;

const OWNER: Readonly<Record<ErrorPolicy['owner'], string>> = {
  operator: 'you',
  provider: 'the storage service',
  us: 'Drover',
};

export function errorsPage(): string {
  const rows = Object.entries(ERRORS).map(([name, policy]) => {
    const { before, during } = EXIT_BY_CODE[name as ErrorCode];
    const exit = before === during ? String(before) : `${before} before anything was moved, then ${during}`;
    return [
      code(name),
      RETRY[policy.retry],
      name === 'PERMISSION_DENIED' ? DENIED : SCOPE[policy.scope],
      OWNER[policy.owner],
      policy.remedy,
      exit,
      storageMoverWords(name as ErrorCode),
    ];
  });
  return page(
    'Error codes',
    `Every failure has one of these codes: in the summary (${code('error.code')}), in the log of a run (${code('code')}) and in the item reports. What Drover does about a failure follows from its code alone. Where a better sentence than the one below is known, it is shown instead. The [exit code](exit-codes.md) is that of a command that ends with the failure. The last column names the codes that Azure Storage Mover uses for the same thing, of an item (AZSM2xxx) and of a run (AZSM1xxx); copy logs as CSV have them too.`,
    table(['Code', 'Tried again', 'Concerns', 'Can be mended by', 'What to do', 'Exit code', 'In Storage Mover'], rows),
  );
}
