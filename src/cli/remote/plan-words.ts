/** What `apply` would do, as somebody can judge it: one line for each thing that changes, and what does harm is marked. */
import type { Json } from '../../model/json.ts';
import type { Format } from '../format.ts';
import type { Wire } from './remote.ts';
import { bandwidthOf, KIND_WORDS, ruleOf, timeOf } from './words.ts';

type Step = Wire['DefinitionPlan']['steps'][number];
type Members = Readonly<Record<string, Json>>;

export interface PlanLine {
  readonly text: string;
  /** Something may be deleted or overwritten that was not before. */
  readonly isHarmful: boolean;
}

/** Of a step that creates or updates; without its heading. */
export function planLines(step: Step, format: Format): readonly PlanLine[] {
  if (step.action === 'create') return linesOfNew(step, format);
  return step.changes.flatMap((change) => {
    const [before, after] = [change.before as Json, change.after as Json];
    if (change.field === 'settings') return settingLines(membersOf(before), membersOf(after));
    return changeLines(change.field, before, after, format);
  });
}

function linesOfNew({ kind, made }: Step, format: Format): readonly PlanLine[] {
  const given = membersOf(made as Json);
  switch (kind) {
    case 'connector':
      return [plain(`provider: ${wordsOf(given['provider'])}`)];
    case 'timetable':
      return [plain(bandwidthOf(given['timetable'] as unknown as Wire['BandwidthTimetable'], format))];
    case 'endpoint':
      return [
        plain(
          `${wordsOf(given['kind'])}: ${bare(given['connector'])}:${bare(given['container'])}/${bare(given['prefix'])}`,
        ),
      ];
    case 'job':
      return [
        plain(`from: ${sideOf(given['source'])}`),
        plain(`to: ${sideOf(given['target'])}`),
        ...settingLines({}, membersOf(given['settings'])).map((line) => ({
          ...line,
          text: line.text.replace('none → ', ''),
        })),
        ...(given['timetable'] ? [plain(`timetable: ${wordsOf(given['timetable'])}`)] : []),
      ];
    case 'schedule':
      return [plain(timingOf(given, format))];
    default:
      return [];
  }
}

function sideOf(value: Json | undefined): string {
  const { endpoint, subPath } = membersOf(value);
  const below = bare(subPath);
  return `endpoint ${JSON.stringify(bare(endpoint))}${below === '' ? '' : `, ${below}`}`;
}

function timingOf(given: Members, format: Format): string {
  const { rule, timeZone, startsAt, endsAt, runKind, enabled } = given as unknown as Wire['Schedule'];
  return [
    `${ruleOf(rule, format)} (${timeZone})`,
    KIND_WORDS[runKind].toLowerCase(),
    ...(startsAt === null ? [] : [`from ${timeOf(startsAt, format)}`]),
    ...(endsAt === null ? [] : [`until ${timeOf(endsAt, format)}`]),
    enabled ? 'enabled' : 'not enabled',
  ].join(', ');
}

function changeLines(field: string, before: Json, after: Json, format: Format): readonly PlanLine[] {
  if (field === 'rule') return [plain(`${field}: ${ruleWords(before, format)} → ${ruleWords(after, format)}`)];
  if (field === 'timetable' && isMembers(before) && isMembers(after)) {
    const words = (one: Json): string => bandwidthOf(one as unknown as Wire['BandwidthTimetable'], format);
    return [plain(`${words(before)} → ${words(after)}`)];
  }
  // Sentences of people stand in quotes, also where they are one word.
  const words = (value: Json | undefined): string => (field === 'description' ? JSON.stringify(value) : wordsOf(value));
  return differing(field, before, after).map(({ name, was, is }) => plain(`${name}: ${words(was)} → ${words(is)}`));
}

function ruleWords(rule: Json, format: Format): string {
  return rule === null ? 'none' : ruleOf(rule as unknown as Wire['ScheduleRule'], format);
}

function settingLines(before: Members, after: Members): readonly PlanLine[] {
  return differing('', before, after).map(({ name, was, is }) => {
    const words = (value: Json | undefined): string => settingWords(name, value);
    const harm = harmOf(name, was, is, after['mode'] === 'mirror');
    const text = `${name}: ${words(was)} → ${words(is)}`;
    return harm === null ? plain(text) : { text: `${text} (${harm})`, isHarmful: true };
  });
}

/** What it does to the target that it did not before. */
function harmOf(name: string, was: Json | undefined, is: Json | undefined, isMirror: boolean): string | null {
  if (name === 'mode') return is === 'mirror' ? 'deletes what only the target has' : null;
  if (name === 'targetNewer') return is === 'overwrite' ? 'overwrites what is newer at the target' : null;
  if (!isMirror) return null;
  if (name === 'allowEmptySource') return is === true ? 'an empty source empties the target' : null;
  if (name.startsWith('filter.'))
    return was === undefined ? null : 'what is left out no more is deleted where only the target has it';
  const limit = USUAL_LIMITS[name];
  if (limit === undefined) return null;
  const limitOf = (value: Json | undefined): number => {
    if (value === undefined || value === 'default') return limit;
    return typeof value === 'number' ? value : Infinity;
  };
  return limitOf(is) > limitOf(was) ? 'a run may delete more' : null;
}

/** Of jobs that say nothing of it. */
const USUAL_LIMITS: Readonly<Record<string, number>> = { deleteMax: Infinity, deleteShareMax: 0.5 };

function settingWords(name: string, value: Json | undefined): string {
  if (name !== 'deleteMax' && name !== 'deleteShareMax') return wordsOf(value);
  if (value === null) return 'no limit';
  return name === 'deleteShareMax' && typeof value === 'number' ? `${value * 100} %` : wordsOf(value);
}

interface Difference {
  readonly name: string;
  readonly was: Json | undefined;
  readonly is: Json | undefined;
}

/** Member by member, as deep as both have members. */
function differing(name: string, was: Json | undefined, is: Json | undefined): readonly Difference[] {
  if (JSON.stringify(was) === JSON.stringify(is)) return [];
  if (!isMembers(is) || !(isMembers(was) || was === undefined)) return [{ name, was, is }];
  const before = membersOf(was);
  return [...new Set([...Object.keys(before), ...Object.keys(is)])].flatMap((member) =>
    differing(name === '' ? member : `${name}.${member}`, before[member], is[member]),
  );
}

function wordsOf(value: Json | undefined): string {
  if (value === null || value === undefined) return 'none';
  if (typeof value === 'string') return /^[\w.:/+*-]+$/.test(value) ? value : JSON.stringify(value);
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.map(wordsOf).join(', ');
  if (!isMembers(value)) return String(value);
  const members = Object.entries(value).map(([name, one]) => `${name} ${wordsOf(one)}`);
  return members.length === 0 ? 'none' : members.join(', ');
}

function bare(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}

function isMembers(value: Json | undefined): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function membersOf(value: Json | undefined): Members {
  return isMembers(value) ? value : {};
}

function plain(text: string): PlanLine {
  return { text, isHarmful: false };
}
