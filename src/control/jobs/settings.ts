/** What a job decides about its runs: filled up from the defaults, checked member by member. */
import { compileFilter } from '../../engine/filter.ts';
import { DroverError } from '../../model/errors.ts';
import { DEFAULT_POLICY, type FilterPolicy, type Policy, type RestorePolicy } from '../../model/policy.ts';
import type { JobSettings, RunKind } from '../entities.ts';

const { dryRun: _dryRun, oneWay: _oneWay, mode: _mode, ...defaults } = DEFAULT_POLICY;

/** A job that is a mirror, or becomes one, deletes no more than half of what is at its target unless that is allowed. */
export const DEFAULT_SETTINGS: JobSettings = { ...defaults, mode: 'merge', deleteShareMax: 'default' };

const CHOICES = {
  mode: ['merge', 'mirror'],
  targetNewer: ['overwrite', 'skip'],
  serverSide: ['auto', 'never', 'always'],
  versions: ['current', 'all'],
  metadata: ['preserve', 'refresh', 'ignore'],
  tags: ['preserve', 'ignore'],
  verify: ['digest', 'read-back'],
} as const;

const PATTERNS_MAX = 1_000;
/** Each object costs as much as its key is long times this, and a worker has other runs to look after. */
const PATTERN_CHARACTERS_MAX = 64 * 1024;

/** `change` over `base`; INVALID_INPUT names the member (`settings.filter.include[2]`). */
export function settingsOf(base: JobSettings, change: Partial<JobSettings>): JobSettings {
  for (const name of Object.keys(change)) {
    if (!Object.hasOwn(DEFAULT_SETTINGS, name)) {
      throw invalid(name, `There is no such setting; there are: ${Object.keys(DEFAULT_SETTINGS).join(', ')}.`);
    }
  }
  const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
  const filter = { ...base.filter, ...change.filter };
  const settings: JobSettings = { ...base, ...given, filter };
  for (const [name, choices] of Object.entries(CHOICES)) {
    const value = settings[name as keyof typeof CHOICES];
    if (!(choices as readonly string[]).includes(value)) throw invalid(name, `Choose one of ${choices.join(', ')}.`);
  }
  checkFilter(filter);
  checkArchived(settings.archived);
  if (settings.deleteMax !== null && !isCount(settings.deleteMax)) throw invalid('deleteMax', 'Give a whole number.');
  const share = settings.deleteShareMax;
  if (share !== null && share !== 'default' && !(typeof share === 'number' && share >= 0 && share <= 1)) {
    throw invalid('deleteShareMax', 'Give a share from 0 to 1, "default", or null for none.');
  }
  if (settings.versions === 'all' && settings.mode === 'mirror') {
    throw invalid('versions', 'A mirror keeps what is current; copying all versions goes with merge only.');
  }
  return settings;
}

/** The engine's policy for a run of this kind. A retry never deletes; a validation only compares. */
export function policyOf(settings: JobSettings, kind: RunKind): Policy {
  const { mode, ...rest } = settings;
  switch (kind) {
    case 'transfer':
      return { ...rest, mode, dryRun: false, oneWay: false };
    case 'dry-run':
      return { ...rest, mode, dryRun: true, oneWay: false };
    case 'validate':
      return { ...rest, mode: 'check', dryRun: false, oneWay: mode === 'merge' };
    case 'retry':
      return { ...rest, mode: 'merge', dryRun: false, oneWay: false };
  }
}

function checkFilter(filter: FilterPolicy): void {
  for (const name of ['include', 'exclude'] as const) {
    const patterns = filter[name];
    if (!Array.isArray(patterns) || patterns.length > PATTERNS_MAX) {
      throw invalid(`filter.${name}`, `Give a list of at most ${PATTERNS_MAX} patterns.`);
    }
    const characters = patterns.reduce((sum, pattern) => sum + String(pattern).length, 0);
    if (characters > PATTERN_CHARACTERS_MAX) {
      throw invalid(`filter.${name}`, `Give patterns of at most ${PATTERN_CHARACTERS_MAX} characters together.`);
    }
    for (const [at, pattern] of patterns.entries()) checkPattern(name, at, pattern);
  }
  const numbers = ['sizeBytesMin', 'sizeBytesMax', 'ageMsMin', 'ageMsMax'] as const;
  for (const name of numbers) {
    const value = filter[name];
    if (value !== null && !isCount(value)) throw invalid(`filter.${name}`, 'Give a whole number of 0 or more.');
  }
  const { sizeBytesMin, sizeBytesMax, ageMsMin, ageMsMax } = filter;
  if (sizeBytesMin !== null && sizeBytesMax !== null && sizeBytesMin > sizeBytesMax) {
    throw invalid('filter.sizeBytesMax', 'The largest size lies below the smallest.');
  }
  if (ageMsMin !== null && ageMsMax !== null && ageMsMin > ageMsMax) {
    throw invalid('filter.ageMsMax', 'The highest age lies below the lowest.');
  }
}

function checkPattern(list: 'include' | 'exclude', at: number, pattern: unknown): void {
  const field = `filter.${list}[${at}]`;
  if (typeof pattern !== 'string' || pattern === '') throw invalid(field, 'Give a pattern such as *.tmp or /logs/.');
  try {
    compileFilter({ ...DEFAULT_POLICY.filter, include: [pattern] }, 0);
  } catch (error) {
    throw invalid(field, error instanceof Error ? error.message : 'This pattern cannot be used.');
  }
}

function checkArchived(archived: 'report' | RestorePolicy): void {
  if (archived === 'report') return;
  if (!['Standard', 'Bulk', 'Expedited'].includes(archived.tier)) {
    throw invalid('archived.tier', 'Choose one of Standard, Bulk, Expedited.');
  }
  if (!isCount(archived.days) || archived.days < 1 || archived.days > 365) {
    throw invalid('archived.days', 'Give a whole number of days from 1 to 365.');
  }
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function invalid(member: string, message: string): DroverError {
  return new DroverError('INVALID_INPUT', message, { field: `settings.${member}` });
}
