/** What is said of a run of which nothing is listed as failed or unsupported. Pure. */
import type { Format, PluralForms } from '../format.ts';
import { visible } from '../terminal.ts';
import type { Wire } from './remote.ts';

type Run = Wire['Run'];

const OBJECTS: PluralForms = { one: '# object', other: '# objects' };

/** Only what is true of this kind of run and of how far it came. */
export function nothingListed(run: Run, format: Format): string {
  switch (run.state) {
    case 'queued':
      return 'None so far: the run has not begun.';
    case 'running':
    case 'pausing':
    case 'paused':
    case 'cancelling': {
      const { scanned } = (run.live?.counters ?? run.counters).items;
      const were = format.plural(scanned, { one: '# object that was', other: '# objects that were' });
      return `None so far, of ${were} looked at. The run has not ended.`;
    }
    case 'failed':
    case 'cancelled':
      return gone(run, format) ?? brokenOff(run, format);
    case 'succeeded':
    case 'completed-with-issues':
      return gone(run, format) ?? completed(run, format);
  }
}

/** Lists are removed before their runs are. */
function gone({ counters: { items } }: Run, format: Format): string | null {
  const count = items.failed + items.unsupported;
  if (count === 0) return null;
  const words = 'did not make it, and # listed here no longer.';
  return format.plural(count, {
    one: `# object ${words.replace('#', 'is')}`,
    other: `# objects ${words.replace('#', 'are')}`,
  });
}

function brokenOff({ state, error, counters }: Run, format: Format): string {
  const { scanned } = counters.items;
  const how = state === 'failed' ? 'the run itself failed' : 'the run was canceled';
  const head =
    scanned > 0
      ? `No object ${state === 'failed' ? 'is listed' : 'failed'}: ${how} when it had looked at ${format.plural(scanned, OBJECTS)}. What it did not reach is listed nowhere.`
      : `No object is listed: ${state === 'failed' ? 'the run failed' : how} before it had looked at any.`;
  return state === 'failed' && error !== null ? `${head} ${visible(error.message)}` : head;
}

function completed({ id, kind, counters }: Run, format: Format): string {
  const log = `drover run report ${id} --kind copy-log-csv --out copy-log.csv`;
  const { missing, different, extra } = counters.differences;
  if (kind === 'dry-run' || kind === 'validate') {
    const isDry = kind === 'dry-run';
    if (missing + different + extra === 0) {
      return isDry
        ? 'None: a dry run moves nothing, and there is nothing to do.'
        : 'None: nothing is missing at the target, and nothing differs.';
    }
    const head = isDry ? 'None: a dry run moves nothing.' : 'None that could not be compared.';
    const ones = format.plural(different, { one: '# different one', other: '# different ones' });
    const found = `The target lacks ${format.plural(missing, OBJECTS)}, has ${ones} and ${format.count(extra)} that the source lacks`;
    return `${head} ${found}; the copy log names them: ${log}`;
  }
  const { skipped } = counters.items;
  if (skipped === 0) return 'None: everything else made it, or was left out by a filter.';
  const were = format.plural(skipped, { one: '# object was', other: '# objects were' });
  return `None failed. ${were} skipped; the copy log says why: ${log}`;
}
