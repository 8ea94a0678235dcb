/** Errors, as they are sent. */
import { z } from 'zod';
import type { Problem } from '../problems.ts';
import { errorCode } from './common.ts';
import { preflight } from './jobs.ts';
import { named } from './wire.ts';

export const problem = named<Problem>()(
  'Problem',
  'What went wrong, why, and what to do (RFC 9457).',
  z.object({
    type: z.string().describe('`urn:drover:error:` and the code.'),
    title: z.string(),
    status: z.number(),
    code: errorCode,
    detail: z.string().describe('What happened and why.'),
    field: z.string().nullable().describe('The first member at fault, where one is.'),
    remedy: z.string().describe('What to do.'),
    errors: z
      .array(z.object({ path: z.string().describe('Such as config.region.'), message: z.string() }))
      .describe('Everything that is wrong about the request.'),
    details: z
      .record(z.string(), z.union([z.string(), z.number()]))
      .nullable()
      .describe("The storage service's own words, where it was asked."),
    preflight: preflight.optional().describe('What was found and what to grant; only with PREFLIGHT_FAILED.'),
    requestId: z.string().describe("Names this request in the server's log."),
  }),
);
