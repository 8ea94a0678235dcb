/** When jobs run by themselves. */
import { z } from 'zod';
import type { Schedule, ScheduleEvent, ScheduleRule } from '../../control/entities.ts';
import { HOUR_STEPS } from '../../control/schedules/rule.ts';
import type { ScheduleInput } from '../../control/services.ts';
import { givenTime, id, kept, time, timeOrNull } from './common.ts';
import { named } from './wire.ts';

const clock = z
  .string()
  .regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'Give hours and minutes, such as 06:30.')
  .describe('Hours and minutes, such as 06:30.');

const scheduleRule = named<ScheduleRule>()(
  'ScheduleRule',
  'When.',
  z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('once'), at: givenTime }),
    z.strictObject({
      kind: z.literal('hourly'),
      everyHours: z.literal([...HOUR_STEPS]),
      minute: z.number().int().min(0).max(59),
    }),
    z.strictObject({ kind: z.literal('daily'), time: clock }),
    z.strictObject({
      kind: z.literal('weekly'),
      days: z.array(z.number().int().min(0).max(6)).describe('0: Sunday.'),
      time: clock,
    }),
    z.strictObject({
      kind: z.literal('monthly'),
      day: z.number().int().min(1).max(31).describe('31: the last day of shorter months too.'),
      time: clock,
    }),
    z.strictObject({ kind: z.literal('cron'), text: z.string().max(200) }),
  ]),
);

const runKind = z.enum(['transfer', 'dry-run', 'validate']);

const eventMembers = {
  at: time,
  outcome: z.enum(['started', 'skipped', 'refused']),
  runId: z.string().nullable(),
  detail: z.string().nullable().describe('Why it was skipped or refused.'),
};
const lastOutcome = named<ScheduleEvent>()('ScheduleOutcome', 'How it went.', z.object(eventMembers));

export const scheduleEvent = named<ScheduleEvent & { readonly number: number }>()(
  'ScheduleEvent',
  'What a schedule did.',
  z.object({ ...eventMembers, number: z.number() }),
);

export const schedule = named<Schedule>()(
  'Schedule',
  'Starts runs of a job by itself.',
  z.object({
    ...kept,
    jobId: id,
    jobName: z.string(),
    projectName: z.string(),
    rule: scheduleRule,
    timeZone: z.string(),
    startsAt: timeOrNull,
    endsAt: timeOrNull,
    enabled: z.boolean(),
    runKind,
    nextAt: timeOrNull,
    lastAt: timeOrNull,
    lastOutcome: lastOutcome.nullable(),
  }),
);

const inputMembers = {
  rule: scheduleRule,
  timeZone: z.string().min(1).max(64).describe('Such as Europe/Berlin.'),
  startsAt: givenTime.nullable().optional(),
  endsAt: givenTime.nullable().optional(),
  runKind: runKind.optional(),
};

export const scheduleInput = named<ScheduleInput>()(
  'ScheduleInput',
  'A new schedule; it is made disabled.',
  z.strictObject(inputMembers),
);

export const changeSchedule = named<Partial<ScheduleInput>>()(
  'ChangeSchedule',
  'What changes; everything else stays.',
  z.strictObject(inputMembers).partial(),
);

export interface PreviewInput {
  readonly schedule: ScheduleInput;
  readonly count?: number | undefined;
}
export const previewInput = named<PreviewInput>()(
  'PreviewSchedule',
  'A schedule that need not be saved.',
  z.strictObject({
    schedule: scheduleInput,
    count: z.number().int().min(1).max(100).optional().describe('5 unless given.'),
  }),
);

export const previewTimes = named<readonly string[]>()(
  'PreviewTimes',
  'The next moments, as clocks in the zone of the schedule show them.',
  z.array(z.string().describe('ISO 8601 with the offset of that zone then, such as 2026-03-01T09:00:00.000+01:00.')),
);
