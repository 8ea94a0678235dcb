/** What many routes share. */
import { z } from 'zod';
import { listQuery } from '../wire/common.ts';

/** An id that is none is not there either: the same answer as for one that nothing has. */
export const byId = z.object({ id: z.guid().describe('Its id.') });
export const byRunId = z.object({
  id: z
    .string()
    .regex(/^[a-z0-9]{8,26}$/)
    .describe('Id of the run.'),
});

export const list = listQuery;
