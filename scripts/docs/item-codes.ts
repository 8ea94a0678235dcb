import { REASONS } from '../../src/model/reasons.ts';
import { code, page, table } from './markdown.ts';

export function itemCodesPage(): string {
  const rows = Object.entries(REASONS).map(([name, { results, meaning, remedy }]) => [
    code(name),
    results.map(code).join(', '),
    meaning,
    remedy,
  ]);
  return page(
    'Item codes',
    `Each item of a run has a result and a code that says why: ${code('StatusCode')} in copy logs, ${code('code')} in ${code('drover runs log')} and in the API. Where something stood in the way it is one of the [error codes](errors.md); otherwise it is one of these. [Evidence for "same"](../concepts.md#evidence-for-same) tells how they are chosen.`,
    table(['Code', 'Result', 'What it means', 'What to do'], rows),
  );
}
