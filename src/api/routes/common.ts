/** What many routes share. */
import { z } from 'zod';
import { listQuery } from '../wire/common.ts';
import type { LogFileQuery, LogFormat } from '../../control/services.ts';
import type { FileAnswer } from './route.ts';

/** An id that is none is not there either: the same answer as for one that nothing has. */
export const byId = z.object({ id: z.guid().describe('Its id.') });
export const byRunId = z.object({
  id: z
    .string()
    .regex(/^[a-z0-9]{8,26}$/)
    .describe('Id of the run.'),
});

export const forgetting = z.object({
  forgetUploads: z
    .enum(['true', 'false'])
    .optional()
    .describe('true: also while runs may have left uploads unfinished at a target, which nobody ends any more then.'),
});

export const list = listQuery;

/** A log as a file: what a list takes, without pages. */
export const logFile = listQuery.pick({ sort: true, search: true }).extend({
  format: z.enum(['csv', 'ndjson']).optional().describe('csv unless given; ndjson: one JSON object per line.'),
}) as z.ZodType<LogFileQuery & { readonly format?: LogFormat | undefined }>;

const LOG_TYPES = { csv: 'text/csv; charset=utf-8', ndjson: 'application/x-ndjson' } as const;

export function logFileAnswer(name: string, format: LogFormat, content: AsyncIterable<Uint8Array>): FileAnswer {
  return { fileName: `${name}.${format}`, mediaType: LOG_TYPES[format], sizeBytes: null, sha256: null, content };
}
