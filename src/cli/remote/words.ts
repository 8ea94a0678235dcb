/** Words for what the server gives out. Pure. */
import type { Wire } from '../../api/client/client.ts';
import { formatDuration, type Format } from '../format.ts';
import { STATE_WORDS } from '../texts.ts';

export const JOB_TYPES: Readonly<Record<Wire['Job']['type'], string>> = {
  'cloud-to-cloud': 'Cloud to cloud',
  'folder-to-cloud': 'Folder to cloud',
  'cloud-to-folder': 'Cloud to folder',
  'folder-to-folder': 'Folder to folder',
};

export const HEALTH_WORDS: Readonly<Record<Wire['Health'], string>> = {
  untested: 'Not tested',
  healthy: 'Healthy',
  'needs-attention': 'Needs attention',
};

export const KIND_WORDS: Readonly<Record<Wire['RunKind'], string>> = {
  transfer: 'Transfer',
  'dry-run': 'Dry run',
  validate: 'Validation',
  retry: 'Retry of what failed',
};

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'] as const;

/** `–` for what is not known. With a `timeZone`, as clocks there show it. */
export function timeOf(iso: string | null, format: Format, timeZone?: string): string {
  return iso === null ? '–' : format.time(Date.parse(iso), timeZone);
}

const WAIT_WORDS: Readonly<Record<NonNullable<Wire['Run']['waits']>['kind'], string | null>> = {
  limit: 'too many runs at once',
  'workers-busy': 'all workers are busy',
  'target-busy': 'another run writes there',
  attention: 'a connector needs attention',
  bandwidth: 'bandwidth timetable',
  // A person who paused it knows.
  person: null,
  disk: 'disk full',
  'no-worker': 'no worker',
};

export function stateOf({ state, waits, queuePlace }: Wire['Run']): string {
  const word = STATE_WORDS[state];
  // A limit of its own connector is not that of all runs.
  const isOfConnector = waits?.kind === 'limit' && waits.connectorId !== null;
  const why = waits === null ? null : isOfConnector ? 'limit of a connector' : WAIT_WORDS[waits.kind];
  if (
    state === 'queued' &&
    queuePlace !== null &&
    !isOfConnector &&
    (why === null || waits?.kind === 'limit' || waits?.kind === 'workers-busy')
  ) {
    return `${word}, number ${queuePlace}`;
  }
  return why === null ? word : `${word}: ${why}`;
}

/** What a run did, in one cell. */
export function amountOf({ kind, counters }: Wire['Run'], format: Format): string {
  const { items, bytes, differences } = counters;
  if (kind === 'validate') {
    const count = differences.missing + differences.different + differences.extra;
    return count === 0 ? `${format.count(items.scanned)} compared` : `${format.count(count)} differences`;
  }
  if (kind === 'dry-run') return `would transfer ${format.count(differences.missing + differences.different)}`;
  if (items.copied === 0 && items.same > 0) return `${format.count(items.same)} needed no transfer`;
  return `${format.count(items.copied)}, ${format.bytes(bytes.copied)}`;
}

export function durationOf({ durationMs, startedAt }: Wire['Run']): string {
  return startedAt === null ? '–' : formatDuration(durationMs);
}

export function ruleOf(rule: Wire['ScheduleRule'], format: Format): string {
  switch (rule.kind) {
    case 'once':
      return `once, ${timeOf(rule.at, format)}`;
    case 'hourly':
      return `every ${rule.everyHours === 1 ? 'hour' : `${rule.everyHours} hours`} at minute ${rule.minute}`;
    case 'daily':
      return `daily at ${rule.time}`;
    case 'weekly':
      return `${rule.days.map((day) => DAYS[day] ?? String(day)).join(', ')} at ${rule.time}`;
    case 'monthly':
      return `monthly on ${rule.day === 31 ? 'the last day' : `day ${rule.day}`} at ${rule.time}`;
    case 'cron':
      return `cron ${rule.text}`;
  }
}

/** `--weekly mon,thu` → 1, 4. `null`: one of them is no day. */
export function daysOf(text: string): number[] | null {
  const days = text
    .split(',')
    .map((word) => DAYS.findIndex((day) => day.toLowerCase() === word.trim().toLowerCase().slice(0, 3)));
  return days.includes(-1) ? null : [...new Set(days)].toSorted((a, b) => a - b);
}

export function bandwidthOf({ rules, timeZone }: Wire['BandwidthTimetable'], format: Format): string {
  const parts = rules.map(({ day, minuteOfDay, bytesPerSecond }) => {
    const clock = `${String(Math.floor(minuteOfDay / 60)).padStart(2, '0')}:${String(minuteOfDay % 60).padStart(2, '0')}`;
    const rate = bytesPerSecond === null ? 'off' : bytesPerSecond === 0 ? 'paused' : format.speed(bytesPerSecond);
    return `${day === null ? '' : `${DAYS[day] ?? ''}-`}${clock} ${rate}`;
  });
  return `${parts.join(', ')} (${timeZone})`;
}

/** `project/job`, as every command takes it. */
export function jobPath({ projectName, name }: Pick<Wire['Job'], 'projectName' | 'name'>): string {
  return `${projectName}/${name}`;
}
