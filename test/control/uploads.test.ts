/**
 * Every moment in which an upload in parts can be begun, lost or forgotten: between a worker, whoever takes over from it,
 * whoever ends the run, the journal and the store. Each step is held until the test lets it go.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Config } from '../../src/contract/fields.ts';
import type { Context, Target } from '../../src/contract/provider.ts';
import { clearLeftovers } from '../../src/engine/abandon.ts';
import { changeState } from '../../src/control/runs/transitions.ts';
import { PostgresRunStore } from '../../src/control/runs/store.ts';
import { openTestWorld, type TestWorld } from '../../src/control/testing.ts';
import type { Intent } from '../../src/engine/ports.ts';
import { UploadBook, type UploadJournal, type UploadPlan } from '../../src/engine/uploads.ts';
import type { HttpRequest, OpenTransport } from '../../src/lib/transport.ts';
import { DroverError } from '../../src/model/errors.ts';
import { NO_PROPERTIES, type Entry } from '../../src/model/entry.ts';
import { s3 } from '../../src/providers/s3/provider.ts';
import { createS3Service, type S3Service } from '../../src/sim/s3-service.ts';
import { simTransport, type Fault } from '../../src/sim/transport.ts';
import { collect } from '../../src/sim/http.ts';
import { awsSigned } from '../../src/sim/test-signing.ts';
import { seededRandom, simClock, type SimClock } from '../../src/sim/world.ts';
import { makeConnector, makeJob, makeRunRow, type MadeJob } from './made.ts';

const RUN = 'run-00001';
const SECRET = 'kx7Qm2vT9zR4bN8wPlaceHolderYd3fGh';
const ROLE = 'arn:aws:iam::111111111111:role/mover';
const { signal } = new AbortController();

const KEYS: Config = { accessKeyId: 'AKa', secretAccessKey: SECRET };
const CHAIN: Config = { authorization: 'chain' };
const ELSEWHERE: Config = { endpoint: 'https://store.example', pathStyle: true, region: 'us-east-1' };

/** What each of them lets us know of ourselves. */
const STORES: Readonly<Record<string, { readonly config: Config; readonly hasSts: boolean }>> = {
  Amazon: { config: KEYS, hasSts: true },
  'Amazon, with no way to STS,': { config: KEYS, hasSts: false },
  'Amazon, by a role of which each machine has a session of its own,': { config: CHAIN, hasSts: true },
  'Amazon, by such a role and with no way to STS,': { config: CHAIN, hasSts: false },
  'a store whose list of buckets names accounts only,': { config: { ...KEYS, ...ELSEWHERE }, hasSts: false },
};

let at = STORES['Amazon']!;
let world: TestWorld;
let job: MadeJob;
let clock: SimClock;
let service: S3Service;
let fault: ((request: HttpRequest) => Fault | null) | null;
let broken: PromiseWithResolvers<never>;

beforeEach(async () => {
  world = await openTestWorld();
  clock = simClock(Date.UTC(2026, 0, 15, 12));
  service = createS3Service({
    clock,
    random: seededRandom(1),
    accounts: [
      {
        accountId: '111111111111',
        users: ['a', 'b'].map((name) => ({ name, accessKeyId: `AK${name}`, secretAccessKey: SECRET })),
        roles: [{ name: 'mover', trustedPrincipals: ['arn:aws:iam::111111111111:user/a'] }],
      },
    ],
  });
  service.createBucket('t');
  fault = null;
  broken = Promise.withResolvers();
  broken.promise.catch(() => undefined);
  const connectorId = await makeConnector(world, { provider: 's3', config: {}, fingerprint: 'f' });
  job = await makeJob(world, { connectorId, container: 's' }, { connectorId, container: 't' });
  await makeRunRow(world, job, RUN);
});
afterEach(() => world.close());

/** Whoever is told to stop, or is cut off, does not wait for an answer: the store may still do it much later. */
const openTransport: OpenTransport = (limits) => {
  const plan = ({ request }: { readonly request: HttpRequest }): Fault | null => {
    if (request.operation === 'STS' && !at.hasSts) return { kind: 'status', status: 403, code: 'AccessDenied' };
    return fault?.(request) ?? null;
  };
  const inner = simTransport(() => service, { plan })(limits);
  return {
    ...inner,
    send: (request) => {
      const sent = inner.send(request);
      sent.catch(() => undefined);
      const stopped = new Promise<never>((_, reject) =>
        request.signal.addEventListener('abort', () => reject(new DroverError('CANCELLED', 'Stopped.'))),
      );
      stopped.catch(() => undefined);
      return Promise.race([sent, stopped, broken.promise]);
    },
  };
};

let machines = 0;

/** What a machine of that role finds around itself: the same rights each time, and another name. */
async function sessionOfMachine(): Promise<Record<string, string>> {
  const form = { Action: 'AssumeRole', RoleArn: ROLE, RoleSessionName: `machine-${++machines}`, Version: '2011-06-15' };
  const host = 'sts.us-east-1.amazonaws.com';
  const want = { method: 'POST', host, path: '/', body: new URLSearchParams(form).toString() };
  const by = { id: 'AKa', secret: SECRET, nowMs: clock.now(), service: 'sts' };
  const answer = collect((await service.handle(awsSigned(by, want))).body).toString('utf8');
  const told = (name: string): string => new RegExp(`<${name}>(.*?)<`).exec(answer)![1]!;
  return {
    AWS_ACCESS_KEY_ID: told('AccessKeyId'),
    AWS_SECRET_ACCESS_KEY: told('SecretAccessKey'),
    AWS_SESSION_TOKEN: told('SessionToken'),
  };
}

async function openTarget(): Promise<Target> {
  const context: Context = {
    openTransport,
    clock,
    random: seededRandom(2),
    log: () => undefined,
    environment: at.config === CHAIN ? await sessionOfMachine() : {},
    saveAccount: async () => undefined,
  };
  const account = await s3.open(at.config, context);
  return account.target({ container: 't', prefix: '' }, { facts: null, runId: RUN }, signal);
}

/** Reached once, and passed when the test says so. */
class Moment {
  readonly #reached = Promise.withResolvers<void>();
  readonly #passed = Promise.withResolvers<void>();
  readonly reached = this.#reached.promise;

  pass(): void {
    this.#passed.resolve();
  }

  async stand(): Promise<void> {
    this.#reached.resolve();
    await this.#passed.promise;
  }
}

interface Hand {
  readonly book: UploadBook;
  readonly target: Target;
  /** Told to stop, or that its lease is another's. */
  stop(code: 'CANCELLED' | 'LEASE_LOST'): void;
  open(): ReturnType<UploadBook['open']>;
  /** Of its next request to the store of that kind, or of its next call of the journal. */
  at(what: string, when?: 'before' | 'after'): Moment;
  /** Its next call of the journal fails like that, before or after it was carried out. */
  breaks(what: string, when: 'before' | 'after', error: DroverError): void;
}

/** One worker, with a way of its own to the journal and to the store. */
async function hand(): Promise<Hand> {
  const target = await openTarget();
  const stopper = new AbortController();
  const steps: { what: string; when: 'before' | 'after'; run: () => Promise<void> }[] = [];
  const pass = async (what: string, when: 'before' | 'after'): Promise<void> => {
    const at = steps.findIndex((step) => step.what === what && step.when === when);
    if (at >= 0) await steps.splice(at, 1)[0]!.run();
  };
  const through = <T extends object>(inner: T): T =>
    new Proxy(inner, {
      get: (_, name) => {
        const value: unknown = Reflect.get(inner, name, inner);
        if (typeof value !== 'function') return value;
        return async (...given: unknown[]) => {
          await pass(String(name), 'before');
          const result: unknown = await value.apply(inner, given);
          await pass(String(name), 'after');
          return result;
        };
      },
    });
  const parts = through(target.facets.parts!);
  const journal: UploadJournal = through(new PostgresRunStore(world.db));
  const book = new UploadBook(journal, RUN, clock, world.random, 'kept');
  await book.inherit({ kind: 'keys', from: null, to: null });
  return {
    book,
    target,
    stop: (code) => stopper.abort(new DroverError(code, 'Stopped.')),
    open: () => {
      const opened = book.open(parts, plan(stopper.signal));
      opened.catch(() => undefined);
      return opened;
    },
    at: (what, when = 'before') => {
      const moment = new Moment();
      steps.push({ what, when, run: () => moment.stand() });
      return moment;
    },
    breaks: (what, when, error) => void steps.push({ what, when, run: () => Promise.reject(error) }),
  };
}

function plan(stopped: AbortSignal): UploadPlan {
  const source = { key: 'large', sizeBytes: 20, identity: { etag: 'e', versionId: null } } as Entry;
  const options = {
    properties: NO_PROPERTIES,
    digests: {},
    expect: { kind: 'any' },
    modifiedAtMs: null,
    recorded: null,
    storageClass: null,
    kind: 'object',
    signal: stopped,
  } as const;
  return { key: 'large', source, sizeBytes: 20, partBytes: 10, options };
}

/** Of the upload, not of one begun to learn our name. */
const isOf = ({ operation, path }: HttpRequest, wanted: string): boolean =>
  operation === wanted && !path.includes('.drover-probe-');

/** The next request of that kind comes to the store when the moment passes, whatever becomes of whoever sent it. */
function late(operation: string): Moment {
  const moment = new Moment();
  let isDone = false;
  fault = (request) => {
    if (!isOf(request, operation) || isDone) return null;
    isDone = true;
    return { kind: 'meanwhile', run: () => moment.stand() };
  };
  return moment;
}

const uploads = (): number => service.bucket('t').uploads.size;
const intents = (): Promise<readonly Intent[]> => new PostgresRunStore(world.db).intents(RUN);
const away = (): DroverError => new DroverError('DATABASE_UNAVAILABLE', 'It is away.');

/** Every request that is under way; later ones are not concerned. */
function cutConnections(): void {
  broken.reject(new DroverError('UNREACHABLE', 'The connection broke.'));
  broken = Promise.withResolvers();
  broken.promise.catch(() => undefined);
}

function refuse(operation: string, status: number, code: string): void {
  fault = (request) => (isOf(request, operation) ? { kind: 'status', status, code } : null);
}

/** What the last segment of a run does before and after the end, with somebody's book. */
async function end(of: Hand): Promise<void> {
  await of.book.sweep(of.target.facets.parts!, signal);
  await endRun();
  await of.book.sweep(of.target.facets.parts!, signal);
}

async function endRun(): Promise<void> {
  const { db, bus } = world;
  const change = { from: ['running'], to: 'succeeded', error: null } as const;
  expect(await db.transaction().execute((tx) => changeState(tx, bus, RUN, change))).toBe(true);
}

/** What is done later about an ended run that has left anything in the journal, when everybody has left it. */
async function lookAfter(): Promise<void> {
  const store = new PostgresRunStore(world.db);
  if ((await store.intents(RUN)).length === 0) return;
  const { random } = world;
  await clearLeftovers((await store.getRun(RUN))!, await openTarget(), { store, clock, random }, signal);
}

async function expectNothingLeft(): Promise<void> {
  await lookAfter();
  expect(uploads()).toBe(0);
  expect(await intents()).toEqual([]);
}

/** Killed there: it goes no further, and nothing of it is ever heard again. */
const MOMENTS = (['saveIntent', 'begin', 'naming'] as const).flatMap((what) =>
  (['before', 'after'] as const).map((when) => [what, when] as const),
);

async function killedAt([what, when]: (typeof MOMENTS)[number], killed: Hand): Promise<void> {
  const first = what === 'naming' ? killed.at('saveIntent', when) : null;
  const moment = killed.at(what === 'naming' ? 'saveIntent' : what, when);
  void killed.open();
  await first?.reached;
  first?.pass();
  await moment.reached;
}

/** What it opened is no upload any more. */
async function completed(of: Hand): ReturnType<UploadBook['open']> {
  const open = await of.open();
  await of.target.facets.parts!.abort(open.upload, signal);
  return open;
}

describe.each(Object.keys(STORES))('at %s', (store) => {
  beforeEach(() => void (at = STORES[store]!));

  describe('a worker that takes over finds nothing of an upload', () => {
    test('whose begin is journaled while it looks: it does not forget it', async () => {
      const ghost = await hand();
      const begun = late('BEGIN');
      const opened = ghost.open();
      await begun.reached;
      const heir = await hand();
      const looked = heir.at('find', 'after');
      const heirs = heir.open();
      await looked.reached;
      begun.pass();
      await opened;
      looked.pass();
      await heir.book.close(await heirs);
      await heir.target.facets.parts!.abort((await heirs).upload, signal);
      ghost.stop('LEASE_LOST');
      await ghost.book.keep(plan(AbortSignal.abort(new DroverError('LEASE_LOST', 'Lost.'))), await opened);
      expect(uploads()).toBe(1);
      await end(heir);
      await expectNothingLeft();
    });

    test('that comes to the store after whoever began it was stopped', async () => {
      const first = await hand();
      const begun = late('BEGIN');
      const opened = first.open();
      await begun.reached;
      first.stop('CANCELLED');
      await expect(opened).rejects.toMatchObject({ code: 'CANCELLED' });
      const heir = await hand();
      const own = await heir.open();
      begun.pass();
      await expect.poll(uploads).toBe(2);
      await heir.target.facets.parts!.abort(own.upload, signal);
      await heir.book.close(own);
      await end(heir);
      await expectNothingLeft();
    });

    test('that comes to the store after the end of the run', async () => {
      const killed = await hand();
      const begun = late('BEGIN');
      void killed.open();
      await begun.reached;
      await end(await hand());
      begun.pass();
      await expect.poll(uploads).toBe(1);
      await expectNothingLeft();
    });
  });

  describe('a worker that is killed', () => {
    test.each(MOMENTS)('at %s (%s it happened) leaves its upload to whoever takes over', async (...moment) => {
      await killedAt(moment, await hand());
      const heir = await hand();
      const open = await heir.open();
      expect(uploads()).toBe(1);
      await heir.book.keep(plan(signal), open);
      await end(await hand());
      await expectNothingLeft();
    });

    // As where the journal is away between the end and the last sweep.
    test.each(MOMENTS)('at %s (%s it happened) leaves nothing when nobody takes over', async (...moment) => {
      await killedAt(moment, await hand());
      await endRun();
      await expectNothingLeft();
    });

    // Where it was named, whoever takes over goes on with it and begins nothing.
    test.each(
      MOMENTS.slice(0, -1).flatMap((one) => (['begin', 'naming'] as const).map((other) => [...one, other] as const)),
    )(
      'at %s (%s it happened), and the next one after its %s: both by a third one that knew of the first alone',
      async (what, when, other) => {
        await killedAt([what, when], await hand());
        const third = await hand();
        await killedAt([other, 'after'], await hand());
        await third.book.close(await completed(third));
        await end(third);
        await expectNothingLeft();
      },
    );
  });

  describe('a request to begin', () => {
    test('whose answer is lost is found and ended before another one is sent', async () => {
      const one = await hand();
      fault = (request) => (isOf(request, 'BEGIN') ? { kind: 'lost-answer' } : null);
      await expect(one.open()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
      expect(uploads()).toBe(0);
      fault = null;
      await one.open();
      expect(uploads()).toBe(1);
      await end(await hand());
      await expectNothingLeft();
    });

    test('that is cut off and comes to the store after the next one: both are ended', async () => {
      const one = await hand();
      const begun = late('BEGIN');
      const opened = one.open();
      await begun.reached;
      cutConnections();
      await expect(opened).rejects.toMatchObject({ code: 'UNREACHABLE' });
      await one.open();
      begun.pass();
      await expect.poll(uploads).toBe(2);
      await end(one);
      await expectNothingLeft();
    });

    test.each([
      [403, 'AccessDenied', 'PERMISSION_DENIED'],
      [503, 'SlowDown', 'THROTTLED'],
    ])('that the store refuses with %i %s is forgotten at once', async (status, name, code) => {
      refuse('BEGIN', status, name);
      await expect((await hand()).open()).rejects.toMatchObject({ code });
      expect(await intents()).toEqual([]);
    });

    test('that is not journaled is never sent', async () => {
      const one = await hand();
      let sent = 0;
      fault = (request) => {
        sent += isOf(request, 'BEGIN') ? 1 : 0;
        return null;
      };
      one.breaks('saveIntent', 'before', away());
      await expect(one.open()).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
      one.breaks('saveIntent', 'after', away());
      await expect(one.open()).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
      expect(sent).toBe(0);
      await endRun();
      await expect((await hand()).open()).rejects.toMatchObject({ code: 'LEASE_LOST' });
      expect(sent).toBe(0);
      await expectNothingLeft();
    });
  });

  describe('an upload that cannot be journaled', () => {
    test.each(['before', 'after'] as const)(
      'since the database is away (%s it took it) is ended at once',
      async (when) => {
        const one = await hand();
        const moment = one.at('begin', 'after');
        const opened = one.open();
        await moment.reached;
        one.breaks('saveIntent', when, away());
        moment.pass();
        await expect(opened).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
        expect(uploads()).toBe(0);
        await end(await hand());
        await expectNothingLeft();
      },
    );

    test('since the run has ended is ended by whoever began it', async () => {
      const ghost = await hand();
      const begun = late('BEGIN');
      const opened = ghost.open();
      await begun.reached;
      await end(await hand());
      begun.pass();
      await expect(opened).rejects.toMatchObject({ code: 'LEASE_LOST' });
      expect(uploads()).toBe(0);
      await expectNothingLeft();
    });

    test('since the run has ended, and cannot be ended now, is ended when everybody has left', async () => {
      const ghost = await hand();
      const begun = late('BEGIN');
      const opened = ghost.open();
      await begun.reached;
      await end(await hand());
      refuse('ABORT', 500, 'InternalError');
      begun.pass();
      await expect(opened).rejects.toMatchObject({ code: 'LEASE_LOST' });
      expect(uploads()).toBe(1);
      fault = null;
      await expectNothingLeft();
    });
  });

  describe('an upload that is journaled', () => {
    test('is not ended for another intent of the same key that never began', async () => {
      const ghost = await hand();
      const moment = ghost.at('begin');
      const opened = ghost.open();
      await moment.reached;
      const heir = await hand();
      const own = await heir.open();
      refuse('BEGIN', 500, 'InternalError');
      moment.pass();
      await expect(opened).rejects.toMatchObject({ code: 'UNAVAILABLE' });
      fault = null;
      expect(await heir.target.facets.parts!.list(own.upload, signal)).toEqual([]);
      // Whoever takes over goes on with the one that began, whenever the other intent was journaled.
      expect(await intents()).toHaveLength(2);
      expect((await (await hand()).open()).upload.token).toEqual(own.upload.token);
      await end(heir);
      await expectNothingLeft();
    });

    test.each(['of its own', 'that it inherits'] as const)(
      'is not ended before its name is journaled, by whoever looks for an older intent %s',
      async (whose) => {
        const ghost = await hand();
        const refused = ghost.at('begin');
        const opened = ghost.open();
        await refused.reached;
        const heir = await hand();
        // Has looked at the journal while there was the intent of the ghost alone.
        const third = await hand();
        const begun = heir.at('begin', 'after');
        const heirs = heir.open();
        await begun.reached;
        const ownToken = [...service.bucket('t').uploads.keys()];
        if (whose === 'that it inherits') {
          await third.open();
        } else {
          refuse('BEGIN', 500, 'InternalError');
          refused.pass();
          await expect(opened).rejects.toMatchObject({ code: 'UNAVAILABLE' });
          fault = null;
        }
        expect([...service.bucket('t').uploads.keys()]).toEqual(expect.arrayContaining(ownToken));
        begun.pass();
        const own = await heirs;
        expect(await heir.target.facets.parts!.list(own.upload, signal)).toEqual([]);
        await end(heir);
        await expectNothingLeft();
      },
    );

    test('and cannot be ended stays journaled until it can', async () => {
      const one = await hand();
      const open = await one.open();
      refuse('ABORT', 500, 'InternalError');
      await expect(one.book.abort(one.target.facets.parts!, open, signal)).rejects.toThrow();
      await expect(one.book.sweep(one.target.facets.parts!, signal)).rejects.toThrow();
      await endRun();
      expect(await intents()).toHaveLength(1);
      expect(uploads()).toBe(1);
      fault = null;
      await expectNothingLeft();
    });

    test('anew by a worker that was away, after another one has ended it, is ended once more', async () => {
      const ghost = await hand();
      const open = await ghost.open();
      const heir = await hand();
      const continued = await heir.open();
      expect(continued.upload.token).toEqual(open.upload.token);
      await heir.book.abort(heir.target.facets.parts!, continued, signal);
      // It goes on with what it knows: the journal names an upload that is gone, which is ended once more.
      await ghost.book.saveReceipts(plan(signal), open);
      expect(await intents()).toHaveLength(1);
      await end(heir);
      await expectNothingLeft();
    });
  });

  describe('an upload that is found and named nowhere', () => {
    test.each(['heir', 'sweep'] as const)(
      'and was begun by somebody else meanwhile is not touched by the %s',
      async (who) => {
        const killed = await hand();
        const moment = killed.at('begin');
        void killed.open();
        await moment.reached;
        const by = { id: 'AKb', secret: SECRET, nowMs: clock.now() };
        await service.handle(awsSigned(by, { method: 'POST', path: '/t/large', query: { uploads: '' } }));
        const heir = await hand();
        if (who === 'heir') await heir.book.close(await completed(heir));
        await end(heir);
        await lookAfter();
        expect([...service.bucket('t').uploads.values()].map(({ initiator }) => initiator.arn)).toEqual([
          'arn:aws:iam::111111111111:user/b',
        ]);
        expect(await intents()).toEqual([]);
      },
    );

    test('and that may be ours or not stays, and the question stays journaled until it can be answered', async () => {
      const killed = await hand();
      const moment = killed.at('begin', 'after');
      void killed.open();
      await moment.reached;
      fault = (request) =>
        request.operation === 'BEGIN' && !isOf(request, 'BEGIN')
          ? { kind: 'status', status: 403, code: 'AccessDenied' }
          : null;
      const heir = await hand();
      await heir.book.close(await completed(heir));
      await end(heir);
      await lookAfter();
      const left = at.hasSts || at.config === CHAIN ? 0 : 1;
      expect(uploads()).toBe(left);
      expect(await intents()).toHaveLength(left);
      fault = null;
      await expectNothingLeft();
    });
  });
});
