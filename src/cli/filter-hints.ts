/** What to say when filters did nothing, or left nothing over: patterns are the part people get wrong. */
import type { RunRecord } from '../engine/ports.ts';
import type { FilterPolicy } from '../model/policy.ts';
import { visible } from './terminal.ts';

const RULE = 'Keys are counted from the place that is read. Case counts. * and ? stop at "/", ** does not.';
/** Nothing but a name, so that a folder may have been meant. */
const PLAIN_NAME = /^[^*?[{\\.]+$/;

/** Empty where the filters of the run did what they were given for. */
export function filterHints(run: RunRecord): readonly string[] {
  const { filter } = run.definition.policy;
  const { scanned, excluded } = run.counters.items;
  if (scanned === 0) return [];
  if (excluded === scanned) return [...nothingLeft(filter), `  ${RULE}`, seeThem(run)];
  // Excluding comes first: as long as nothing at all was left out, no pattern found anything.
  if (excluded > 0 || filter.exclude.length === 0) return [];
  return [...filter.exclude.map((pattern) => noMatch('--exclude', pattern)), `  ${RULE}`];
}

function nothingLeft(filter: FilterPolicy): readonly string[] {
  const hasOther =
    filter.exclude.length > 0 ||
    filter.excludeClasses.length > 0 ||
    [
      filter.sizeBytesMin,
      filter.sizeBytesMax,
      filter.ageMsMin,
      filter.ageMsMax,
      filter.modifiedBeforeMs,
      filter.modifiedAfterMs,
    ].some((limit) => limit !== null);
  if (!hasOther) return filter.include.map((pattern) => noMatch('--include', pattern));
  const patterns = [
    ...filter.include.map((pattern) => `  --include "${visible(pattern)}": ${ruleOf(pattern)}`),
    ...filter.exclude.map((pattern) => `  --exclude "${visible(pattern)}": ${ruleOf(pattern)}`),
  ];
  return ['Nothing passed the filters of this command.', ...patterns];
}

function noMatch(option: string, pattern: string): string {
  return `${option} "${visible(pattern)}" matched nothing: ${ruleOf(pattern)}`;
}

/** How this very pattern is compared, and what was probably meant. */
function ruleOf(pattern: string): string {
  const isBelow = pattern.endsWith('/') && pattern.length > 1;
  const body = isBelow ? pattern.slice(0, -1) : pattern;
  const isName = !body.includes('/');
  if (isBelow) {
    return isName
      ? 'it means everything below every folder of this name.'
      : 'it means everything below this folder, counted from the beginning of the key.';
  }
  if (isName) {
    const folder = PLAIN_NAME.test(body) ? ` A folder with all that is in it is "${visible(body)}/".` : '';
    return `without "/" it is compared with the last name of each key.${folder}`;
  }
  return 'with "/" it is compared with the whole key.';
}

function seeThem(run: RunRecord): string {
  return `  See them      drover runs log ${run.runId} --result excluded`;
}
