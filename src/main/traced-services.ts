/** Spans around what services do for long: they know nothing of it. */
import type { Connectors, Jobs, Runs } from '../control/services.ts';
import { traced, tracedStream, type Tracing } from '../lib/tracing.ts';

export function tracedConnectors<T extends Pick<Connectors, 'test'>>(connectors: T, tracing: Tracing | undefined): T {
  if (tracing === undefined) return connectors;
  const test: Connectors['test'] = (actor, id, place, use, signal) => {
    const attributes = { 'drover.connector.id': id, 'drover.use': use };
    return tracedStream(tracing, 'connector test', { attributes }, () =>
      connectors.test(actor, id, place, use, signal),
    );
  };
  return { ...connectors, test };
}

export function tracedJobs<T extends Pick<Jobs, 'preflight'>>(jobs: T, tracing: Tracing | undefined): T {
  if (tracing === undefined) return jobs;
  const preflight: Jobs['preflight'] = (actor, id, options, signal) =>
    traced(tracing, 'pre-flight', { attributes: { 'drover.job.id': id } }, async (span) => {
      const result = await jobs.preflight(actor, id, options, signal);
      span.set({ 'drover.outcome': result.ok ? 'ok' : 'refused' });
      return result;
    });
  return { ...jobs, preflight };
}

/** By a schedule. */
export function tracedStart(start: Runs['start'], tracing: Tracing | undefined): Runs['start'] {
  if (tracing === undefined) return start;
  return (actor, jobId, input, signal) =>
    traced(tracing, 'schedule start', { attributes: { 'drover.job.id': jobId } }, async (span) => {
      const run = await start(actor, jobId, input, signal);
      span.set({ 'drover.run.id': run.id });
      return run;
    });
}
