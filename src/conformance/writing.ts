/** Writing replaces an object atomically, under its condition, with exactly the declared bytes, and proves only what is true. */
import assert from 'node:assert/strict';
import type { Target, WriteBody } from '../contract/provider.ts';
import type { DigestKind } from '../model/digest.ts';
import { DroverError } from '../model/errors.ts';
import {
  absent,
  bytesOf,
  contentOf,
  failsWith,
  failureOf,
  sameBytes,
  streamOf,
  trueDigest,
  writeOptions,
  written,
} from './helpers.ts';
import { NotApplicable, type Check, type Trial } from './harness.ts';

const SUITE = 'writing';

export const notTarget: NonNullable<Check['unless']> = (manifest) =>
  manifest.target === null ? 'it is not a target' : null;

/** What stands before a write that has to leave it alone; `null`: nothing. */
const BEFORE: readonly (Uint8Array | null)[] = [null, bytesOf('what was there before')];

async function untouched(trial: Trial, key: string, before: Uint8Array | null, what: string): Promise<void> {
  const now = await trial.bench.peek(key);
  if (before === null) absent(now, what);
  else sameBytes(now, before, `${what}: the old content`);
  const keys = (await trial.bench.keys()).toSorted();
  assert.deepEqual(keys, before === null ? [] : [key], `${what}: other things are visible`);
  assert.deepEqual((await trial.bench.leftovers?.()) ?? [], [], `${what}: something was left behind`);
}

async function broken(
  trial: Trial,
  name: string,
  write: (target: Target, key: string) => Promise<void>,
): Promise<void> {
  const target = await trial.target();
  for (const before of BEFORE) {
    const key = 'victim.bin';
    if (before !== null) await trial.bench.seed(key, before);
    await write(target, key);
    await untouched(trial, key, before, `${name}, ${before === null ? 'new' : 'replacing'}`);
  }
}

function wrongValueOf(kind: DigestKind, content: Uint8Array): string {
  const truth = trueDigest(kind, content) as string;
  return (truth.startsWith('0') ? '1' : '0') + truth.slice(1);
}

/** Digests of the manifest whose true value the kit can compute. */
function knownKinds(trial: Trial): DigestKind[] {
  return (trial.manifest.target?.provableDigests ?? []).filter((kind) => trueDigest(kind, new Uint8Array()) !== null);
}

export function assertProvedTrue(proved: object, content: Uint8Array, what: string): void {
  for (const [kind, value] of Object.entries(proved) as [DigestKind, string][]) {
    assert.match(value, /^[0-9a-f]+$/, `${what}: the proved ${kind} is not in lower-case hexadecimal`);
    const truth = trueDigest(kind, content);
    if (truth !== null) assert.equal(value, truth, `${what}: the proved ${kind} is not the true one`);
  }
}

export const WRITING: readonly Check[] = [
  {
    suite: SUITE,
    name: 'any size, from memory and from a stream; the returned entry is what a later stat returns',
    unless: notTarget,
    async run(trial) {
      const target = await trial.target();
      for (const sizeBytes of [0, 1, 1000, 65_536, 300_001]) {
        for (const how of ['memory', 'stream'] as const) {
          const key = `out/${how}-${sizeBytes}.bin`;
          const content = contentOf(key, sizeBytes);
          const body = { sizeBytes, content: how === 'memory' ? content.slice() : streamOf(content, 7777) };
          const result = await target.write(key, body, writeOptions(trial.signal));
          sameBytes(await trial.bench.peek(key), content, key);
          const later = await target.stat(key, trial.signal);
          assert.ok(later !== null, `${key} was written, but stat does not find it`);
          assert.deepEqual([result.entry.key, result.entry.sizeBytes], [key, sizeBytes]);
          assert.deepEqual(result.entry.identity, later.identity, `${key}: identity`);
          assert.equal(later.sizeBytes, sizeBytes);
          assertProvedTrue(result.proved, content, key);
        }
      }
    },
  },

  {
    suite: SUITE,
    name: 'replaces what is there, with another identity',
    unless: notTarget,
    async run(trial) {
      const target = await trial.target();
      const first = await written(target, 'again', bytesOf('first content'), trial.signal);
      const second = await written(target, 'again', bytesOf('second'), trial.signal);
      assert.notDeepEqual(second.entry.identity, first.entry.identity);
      sameBytes(await trial.bench.peek('again'), bytesOf('second'), 'again');
      assert.deepEqual(await trial.bench.keys(), ['again']);
    },
  },

  {
    suite: SUITE,
    name: 'is not visible before it is whole',
    unless: notTarget,
    async run(trial) {
      const content = contentOf('half', 200_000);
      await broken(trial, 'half-way', async (target, key) => {
        const before = await trial.bench.peek(key);
        let looked = 0;
        async function* slowly(): AsyncGenerator<Uint8Array> {
          for (let at = 0; at < content.length; at += 50_000) {
            yield content.slice(at, at + 50_000);
            const now = await trial.bench.peek(key);
            looked += 1;
            if (before === null) absent(now, 'before it was whole');
            else sameBytes(now, before, 'before it was whole');
          }
          throw new DroverError('UNAVAILABLE', 'The source broke at the very end.');
        }
        await failsWith(
          'UNAVAILABLE',
          attempt(target, key, content.length + 1, slowly(), trial.signal),
          'a broken source',
        );
        assert.equal(looked, 4);
      });
    },
  },

  ...(
    [
      ['a stream that ends early', 'EARLY_END', (content) => streamOf(content.subarray(0, content.length - 1))],
      ['a stream without any bytes', 'EARLY_END', () => streamOf(new Uint8Array())],
      ['a stream with one byte too many', 'EXTRA_BYTES', (content) => streamOf(Buffer.concat([content, bytesOf('x')]))],
      ['too few bytes in memory', 'EARLY_END', (content) => content.subarray(0, content.length - 1)],
      ['too many bytes in memory', 'EXTRA_BYTES', (content) => Buffer.concat([content, bytesOf('x')])],
    ] as const satisfies readonly (readonly [string, string, (content: Uint8Array) => WriteBody['content']])[]
  ).map(([name, code, body]): Check => ({
    suite: SUITE,
    name: `${name} is ${code} and leaves everything as it was`,
    unless: notTarget,
    async run(trial) {
      const content = contentOf(name, 100_000);
      await broken(trial, name, async (target, key) => {
        await failsWith(code, attempt(target, key, content.length, body(content), trial.signal), name);
      });
    },
  })),

  {
    suite: SUITE,
    name: 'an error of the stream comes out as it is and leaves everything as it was',
    unless: notTarget,
    async run(trial) {
      await broken(trial, 'a failing stream', async (target, key) => {
        async function* failing(): AsyncGenerator<Uint8Array> {
          yield contentOf('failing', 30_000);
          throw new DroverError('CHANGED', 'The source was written to.', { key: 'the source' });
        }
        const error = await failsWith(
          'CHANGED',
          attempt(target, key, 90_000, failing(), trial.signal),
          'a failing stream',
        );
        assert.equal(error.key, 'the source');
      });
    },
  },

  {
    suite: SUITE,
    name: 'stopping in the middle is CANCELLED, closes the stream and leaves everything as it was',
    unless: notTarget,
    async run(trial) {
      await broken(trial, 'stopped', async (target, key) => {
        const controller = new AbortController();
        const closing = Promise.withResolvers<void>();
        async function* endless(): AsyncGenerator<Uint8Array> {
          try {
            for (let sent = 0; ; sent++) {
              yield contentOf('stopped', 20_000);
              if (sent === 2) controller.abort();
            }
          } finally {
            closing.resolve();
          }
        }
        const work = attempt(target, key, 10_000_000, endless(), controller.signal);
        await failsWith('CANCELLED', work, 'a stopped write');
        await closing.promise;
      });
    },
  },

  {
    suite: SUITE,
    name: 'a wrong digest is CORRUPTED and leaves everything as it was, or proves nothing',
    unless: (manifest, harness) => notTarget(manifest, harness),
    async run(trial) {
      const content = contentOf('digests', 50_000);
      const target = await trial.target();
      for (const kind of knownKinds(trial)) {
        const key = `wrong-${kind}`;
        const digests = { [kind]: wrongValueOf(kind, content) };
        try {
          const result = await written(target, key, content, trial.signal, { digests });
          assert.notEqual(result.proved[kind], digests[kind], `a wrong ${kind} was accepted and called proved`);
          assertProvedTrue(result.proved, content, `after a wrong ${kind}`);
        } catch (thrown) {
          if (!(thrown instanceof DroverError)) throw thrown;
          assert.equal(thrown.code, 'CORRUPTED', `a wrong ${kind}: ${thrown.message}`);
          absent(await trial.bench.peek(key), `a wrong ${kind} was refused`);
        }
      }
    },
  },

  {
    suite: SUITE,
    name: 'what is called proved is true, and something is proved when every digest was sent',
    unless: notTarget,
    async run(trial) {
      const content = contentOf('proved', 70_000);
      const kinds = knownKinds(trial);
      const target = await trial.target();
      for (const kind of kinds) {
        const digests = { [kind]: trueDigest(kind, content) as string };
        for (const [how, body] of [
          ['memory', content],
          ['stream', streamOf(content)],
        ] as const) {
          const options = writeOptions(trial.signal, { digests });
          const result = await target.write(`${how}-${kind}`, { sizeBytes: content.length, content: body }, options);
          assertProvedTrue(result.proved, content, `${kind} from ${how}`);
        }
      }
      if (kinds.length === 0) return;
      const facts = (await target.observe?.(trial.signal)) ?? target.facts;
      const informed = await trial.target({ facts });
      const proved = new Set<string>();
      for (const kind of kinds) {
        const digests = { [kind]: trueDigest(kind, content) as string };
        const result = await written(informed, `informed-${kind}`, content, trial.signal, { digests });
        for (const each of Object.keys(result.proved)) proved.add(each);
      }
      assert.ok(proved.size > 0, 'nothing at all was ever proved, though the manifest names digests');
    },
  },

  {
    suite: SUITE,
    name: 'create only: CHANGED when something is there, or said to be ignored',
    unless: notTarget,
    async run(trial) {
      const target = await observed(trial);
      const expect = { kind: 'absent' } as const;
      await written(target, 'created', bytesOf('mine'), trial.signal, { expect });
      sameBytes(await trial.bench.peek('created'), bytesOf('mine'), 'created');
      await trial.bench.seed('there', bytesOf('theirs'));
      const work = (): Promise<unknown> => written(target, 'there', bytesOf('mine'), trial.signal, { expect });
      if (target.facts.createOnly === 'ignored') throw new NotApplicable('the store ignores create-only, as observed');
      await failsWith('CHANGED', work, 'create only over something that is there');
      sameBytes(await trial.bench.peek('there'), bytesOf('theirs'), 'what was there');
    },
  },

  {
    suite: SUITE,
    name: 'replacing exactly one state: CHANGED otherwise, or said to be ignored',
    unless: notTarget,
    async run(trial) {
      const target = await observed(trial);
      const first = await written(target, 'pinned', bytesOf('first'), trial.signal);
      const match = { kind: 'match', identity: first.entry.identity } as const;
      const second = await written(target, 'pinned', bytesOf('second'), trial.signal, { expect: match });
      sameBytes(await trial.bench.peek('pinned'), bytesOf('second'), 'pinned');
      assert.notDeepEqual(second.entry.identity, first.entry.identity);
      if (target.facts.matchOnWrite === 'ignored') throw new NotApplicable('the store ignores If-Match, as observed');
      const over = (key: string): Promise<unknown> =>
        written(target, key, bytesOf('third'), trial.signal, { expect: match });
      await failsWith('CHANGED', over('pinned'), 'over a state that is gone');
      sameBytes(await trial.bench.peek('pinned'), bytesOf('second'), 'pinned');
      await failsWith('CHANGED', over('absent'), 'over something that is not there');
      absent(await trial.bench.peek('absent'), 'absent');
    },
  },

  {
    suite: SUITE,
    name: 'writes at the same time do not mix',
    unless: notTarget,
    async run(trial) {
      const target = await trial.target();
      const contents = Array.from({ length: 8 }, (_, i) => contentOf(`same-${i}`, 40_000 + i));
      const works = contents.map((content) => written(target, 'contended', content, trial.signal));
      const ends = await Promise.allSettled(works);
      assert.ok(ends.some((end) => end.status === 'fulfilled'));
      const there = await trial.bench.peek('contended');
      assert.ok(
        contents.some((content) => there !== null && Buffer.compare(content, there) === 0),
        'what is there is none of the contents that were written',
      );
      await Promise.all(
        contents.map((content, i) =>
          target.write(
            `own-${i}`,
            { sizeBytes: content.length, content: streamOf(content, 999) },
            writeOptions(trial.signal),
          ),
        ),
      );
      for (const [i, content] of contents.entries()) sameBytes(await trial.bench.peek(`own-${i}`), content, `own-${i}`);
    },
  },

  {
    suite: SUITE,
    name: 'repeating a write whose answer was lost ends well',
    unless: notTarget,
    async run(trial) {
      const { faults } = trial;
      if (faults === null || !faults.kinds.includes('lost-answer')) {
        throw new NotApplicable('its store cannot lose an answer');
      }
      const target = await trial.target();
      const content = contentOf('lost', 60_000);
      for (const expect of [{ kind: 'any' }, { kind: 'absent' }] as const) {
        const key = `lost-${expect.kind}`;
        faults.arm(1, 'lost-answer');
        // A provider may find out by itself that the write came to pass.
        await written(target, key, content, trial.signal, { expect }).catch((error: unknown) => {
          assert.ok(error instanceof DroverError && error.policy.retry !== 'never', `lost answer: ${String(error)}`);
        });
        faults.disarm();
        const again = written(target, key, content, trial.signal, { expect });
        if (expect.kind === 'any') await again;
        else await again.catch((error: unknown) => assert.ok(error instanceof DroverError && error.code === 'CHANGED'));
        sameBytes(await trial.bench.peek(key), content, key);
      }
    },
  },

  {
    suite: SUITE,
    name: 'too large for one write is TOO_LARGE before anything is read',
    unless: notTarget,
    async run(trial) {
      const target = await trial.target();
      let touched = 0;
      const content: AsyncIterable<Uint8Array> = {
        [Symbol.asyncIterator]() {
          touched += 1;
          return streamOf(bytesOf('x'))[Symbol.asyncIterator]();
        },
      };
      const sizeBytes = target.traits.writeBytesMax + 1;
      if (!Number.isSafeInteger(sizeBytes)) throw new NotApplicable('it takes any size');
      const error = await failureOf(
        target.write('large', { sizeBytes, content }, writeOptions(trial.signal)),
        'too large',
      );
      assert.equal(error.code, 'TOO_LARGE');
      assert.equal(touched, 0, 'the content was touched');
      absent(await trial.bench.peek('large'), 'large');
    },
  },
];

function attempt(
  target: Target,
  key: string,
  sizeBytes: number,
  content: WriteBody['content'],
  signal: AbortSignal,
): Promise<unknown> {
  return target.write(key, { sizeBytes, content }, writeOptions(signal));
}

/** A target that knows what its store honours. */
export async function observed(trial: Trial): Promise<Target> {
  const target = await trial.target();
  const facts = (await target.observe?.(trial.signal)) ?? target.facts;
  return await trial.target({ facts });
}
