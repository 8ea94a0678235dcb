/** Creations that are sent twice have one effect (`Idempotency-Key`), also where a server died in between. */
import { createHash } from 'node:crypto';
import type { Actor, KeyedRequest } from '../control/entities.ts';
import type { Steps } from '../control/services.ts';
import { DroverError } from '../model/errors.ts';
import type { Json } from '../model/json.ts';
import type { JsonAnswer } from './answers.ts';
import type { Route } from './routes/route.ts';
import type { ApiWorld } from './world.ts';

const LOOK_EVERY_MS = 250;
const WAIT_MS_MAX = 15_000;

export interface OnceInput {
  readonly route: Route;
  readonly actor: Actor;
  readonly key: string;
  /** Of a request that does several things: which one. */
  readonly step?: string;
  /** Everything that makes it this request. */
  readonly request: unknown;
  readonly signal: AbortSignal;
}

export interface Work {
  /** As an actor that carries this request. */
  readonly make: (request: KeyedRequest) => Promise<JsonAnswer>;
  /** The answer from what was made. */
  readonly again: (entityId: string) => Promise<JsonAnswer>;
}

export async function once(
  { replays, clock }: Pick<ApiWorld, 'replays' | 'clock'>,
  { route, actor, key, step, request, signal }: OnceInput,
  work: Work,
): Promise<JsonAnswer> {
  if (!/^[\x21-\x7e]{1,255}$/.test(key)) {
    throw new DroverError('INVALID_INPUT', 'Idempotency-Key: give 1 to 255 printable characters without spaces.', {
      field: 'Idempotency-Key',
    });
  }
  const scope = [actor.tokenId ?? actor.personId ?? actor.name, route.name, ...(step === undefined ? [] : [step])].join(
    ' ',
  );
  const hash = createHash('sha256')
    .update(JSON.stringify(request) ?? '')
    .digest('hex');
  const untilMs = clock.monotonic() + WAIT_MS_MAX;
  let own: KeyedRequest;
  for (;;) {
    const begun = await replays.begin(scope, key, hash);
    if (begun.kind === 'new') {
      own = begun.request;
      break;
    }
    if (begun.kind === 'done') return replayed(begun.answer);
    if (begun.kind === 'made') {
      if (route.again === null && step === undefined) throw secretIsGone(begun.entityId);
      const found = await work.again(begun.entityId);
      await replays.finish(begun.request, found);
      return replayed(found);
    }
    if (begun.kind === 'other') {
      throw new DroverError('ALREADY_EXISTS', 'This Idempotency-Key was used for another request.', {
        field: 'Idempotency-Key',
        remedy: 'Use a new key for each request.',
      });
    }
    if (clock.monotonic() >= untilMs) {
      throw new DroverError('GUARD_BUSY', 'The same request is still being worked on.', {
        remedy: 'Send it again a little later, with the same key.',
      });
    }
    await clock.sleep(LOOK_EVERY_MS, signal);
  }
  let answer: JsonAnswer;
  try {
    answer = await work.make(own);
  } catch (thrown) {
    await replays.abandon(own);
    throw thrown;
  }
  await replays.finish(own, route.secretAnswer ? { ...answer, body: '' } : answer);
  return answer;
}

/** Of a request with a key. */
export function stepsOf(world: Pick<ApiWorld, 'replays' | 'clock'>, input: Omit<OnceInput, 'step'>): Steps {
  const kept = (value: Json): JsonAnswer => ({ status: 200, headers: {}, body: JSON.stringify(value) });
  return {
    async once<T extends Json>(
      step: string,
      make: (actor: Actor) => Promise<T>,
      again: (id: string) => Promise<T>,
    ): Promise<T> {
      const work: Work = {
        make: async (request) => kept(await make({ ...input.actor, request })),
        again: async (id) => kept(await again(id)),
      };
      return JSON.parse((await once(world, { ...input, step }, work)).body) as T;
    },
  };
}

/** Nothing would come of it: whoever sends it must not rely on it. */
export function refuseKey({ creates, stepwise, method }: Route, key: unknown): void {
  if (creates || stepwise || method === 'GET' || key === undefined) return;
  throw new DroverError(
    'INVALID_INPUT',
    'This request makes nothing new, so that an Idempotency-Key means nothing here.',
    {
      field: 'Idempotency-Key',
      remedy: 'Leave the header out; sent twice, the request is carried out twice.',
    },
  );
}

/** Whoever made it may have died before it was shown, or answers in this moment. */
function secretIsGone(entityId: string): DroverError {
  const words = `This request was done already (${entityId}); its secret was in its answer and nowhere else.`;
  return new DroverError('ALREADY_EXISTS', words, {
    field: 'Idempotency-Key',
    remedy: 'If that answer never came, remove what was made, and make it again with a new key.',
  });
}

/** A secret is shown once; a repeat learns only that all went well. */
function replayed(answer: JsonAnswer): JsonAnswer {
  if (answer.body !== '') return { ...answer, headers: { ...answer.headers, 'idempotency-replayed': 'true' } };
  throw new DroverError('ALREADY_EXISTS', 'This request was done already; its secret was shown that once.', {
    field: 'Idempotency-Key',
    remedy: 'Remove what was made, and make it again with a new key.',
  });
}
