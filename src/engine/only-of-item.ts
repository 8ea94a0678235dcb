/** What concerns one item alone, and what concerns all of them. */
import type { DroverError } from '../model/errors.ts';
import type { RunContext } from './context.ts';
import { ofItsSide } from './failure-facts.ts';
import { cancelled } from './lanes.ts';

/**
 * Throws, and stops the run here, for what concerns more than the item: also for a right that is gone for all of them,
 * and for a place that is gone with all of them.
 */
export async function onlyOfItem(context: RunContext, thrown: unknown): Promise<DroverError> {
  if (context.signal.aborted) throw cancelled();
  const error = ofItsSide(thrown);
  const stopper = error.policy.scope === 'item' ? await ofAll(context, error) : error;
  if (context.signal.aborted) throw cancelled();
  if (stopper === null) return error;
  context.stop(stopper);
  throw stopper;
}

async function ofAll({ denials, places, signal }: RunContext, error: DroverError): Promise<DroverError | null> {
  return (await denials.judge(error, signal)) ?? (await places.judge(error, signal));
}
