/** What commands that delete runs, alone or with their job or project, have in common. */
import type { Format } from '../format.ts';
import type { Wire } from './remote.ts';

export interface RemovalGiven {
  readonly yes?: boolean;
  readonly forgetUploads?: boolean;
}

export const FORGET_UPLOADS = [
  '--forget-uploads',
  'also while uploads of its runs may be open at the target: nobody ends them any more',
] as const;

/** As the query of the request says it. */
export function forgetting({ forgetUploads }: RemovalGiven): { forgetUploads?: 'true' } {
  return forgetUploads === true ? { forgetUploads: 'true' } : {};
}

/** What goes with a project, for the question before and the answer after. */
export function goesAlong(removal: Wire['ProjectRemoval'], format: Format): string {
  const { jobs, subscriptions, runs } = removal;
  const parts = [format.plural(jobs, { one: '# job', other: '# jobs' }), ...schedulesOf(removal, format)];
  if (subscriptions > 0) parts.push(format.plural(subscriptions, { one: '# subscription', other: '# subscriptions' }));
  return `${parts.join(', ')} and ${format.plural(runs, { one: '# run', other: '# runs' })} with their logs and files`;
}

/** The same with a job. */
export function goesWithJob(removal: Wire['JobRemoval'], format: Format): string {
  const { runs, reports } = removal;
  const parts = schedulesOf(removal, format);
  if (reports > 0) parts.push(format.plural(reports, { one: '# report', other: '# reports' }));
  const history = `${format.plural(runs, { one: '# run', other: '# runs' })} with their logs and files`;
  return parts.length === 0 ? history : `${parts.join(', ')} and ${history}`;
}

function schedulesOf(
  { schedules, enabledSchedules }: Pick<Wire['JobRemoval'], 'schedules' | 'enabledSchedules'>,
  format: Format,
): string[] {
  if (schedules === 0) return [];
  const enabled = enabledSchedules === 0 ? '' : ` (${format.count(enabledSchedules)} enabled)`;
  return [format.plural(schedules, { one: '# schedule', other: '# schedules' }) + enabled];
}
