/** Options of jobs: the same words as `copy` and `sync` take, for what a job saves. */
import { Command } from 'commander';
import { DEFAULT_POLICY } from '../../model/policy.ts';
import { addTransferOptions, readTransferOptions } from '../transfer-options.ts';
import { parseChoice, parseCount } from '../units.ts';
import { findTimetable } from './names.ts';
import type { Remote, Wire } from './remote.ts';

/** Of one command alone, or of another entity: timetables hold a job's bandwidth. */
const NOT_OF_JOBS = ['--dry-run', '--fresh', '--bwlimit', '--bytes-in-flight', '--transfers'];

export interface JobGiven {
  readonly mode?: string;
  readonly transfers?: string;
  readonly timetable?: string;
  readonly [option: string]: unknown;
}

export function addJobOptions(command: Command): Command {
  command
    .option('--mode <mode>', 'merge: add and replace, never delete; mirror: make the target equal to the source')
    .option('--transfers <n>', 'objects in flight, or "auto"')
    .option('--timetable <timetable>', 'a saved bandwidth timetable, or "none"');
  const transfer = new Command();
  addTransferOptions(transfer, 'sync');
  for (const option of transfer.options) {
    if (!NOT_OF_JOBS.includes(option.long ?? '')) command.addOption(option);
  }
  return command;
}

/** Option → member of the settings that it decides. */
const MEMBERS: Readonly<Record<string, keyof Wire['JobSettings']>> = {
  serverSide: 'serverSide',
  targetNewer: 'targetNewer',
  versions: 'versions',
  metadata: 'metadata',
  tags: 'tags',
  restore: 'archived',
  storageClass: 'storageClass',
  acceptSizeOnly: 'acceptV0',
  verify: 'verify',
  allowEmptySource: 'allowEmptySource',
};

const FILTERS: Readonly<Record<string, readonly (keyof Wire['FilterPolicy'])[]>> = {
  include: ['include'],
  exclude: ['exclude'],
  minSize: ['sizeBytesMin'],
  maxSize: ['sizeBytesMax'],
  minAge: ['ageMsMin', 'modifiedBeforeMs'],
  maxAge: ['ageMsMax', 'modifiedAfterMs'],
  excludeClass: ['excludeClasses'],
};

/** Only what was given; `before`: settings that a filter is changed in. */
export function settingsOf(given: JobGiven, before: Wire['JobSettings'] | null): Wire['JobSettingsChange'] {
  const { policy } = readTransferOptions('sync', given, 'UTC');
  const settings: Record<string, unknown> = {};
  for (const [option, member] of Object.entries(MEMBERS)) {
    if (given[option] !== undefined) settings[member] = policy[member];
  }
  const filters = Object.entries(FILTERS).filter(([option]) => given[option] !== undefined);
  if (filters.length > 0) {
    const chosen = filters.flatMap(([, members]) => members.map((member) => [member, policy.filter[member]] as const));
    settings['filter'] = { ...(before?.filter ?? DEFAULT_POLICY.filter), ...Object.fromEntries(chosen) };
  }
  if (given['maxDelete'] !== undefined) {
    settings['deleteMax'] = policy.deleteMax;
    settings['deleteShareMax'] = policy.deleteShareMax;
  }
  if (given.mode !== undefined) settings['mode'] = parseChoice(given.mode, '--mode', ['merge', 'mirror']);
  return settings;
}

export async function tuningOf(remote: Remote, given: JobGiven): Promise<Wire['JobTuningChange']> {
  const { transfers, timetable } = given;
  return {
    ...(transfers === undefined
      ? {}
      : { transfersMax: transfers === 'auto' ? null : parseCount(transfers, '--transfers', 1, 1000) }),
    ...(timetable === undefined
      ? {}
      : { timetableId: timetable === 'none' ? null : (await findTimetable(remote, timetable)).id }),
  };
}

/** `2024` and `2024/` are the same folder of an endpoint; what else is odd about it the server says. */
export function subPathOf(text: string): string {
  return text === '' || text.endsWith('/') ? text : `${text}/`;
}
