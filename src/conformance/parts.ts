/** Uploads in parts survive their process, forgive repetition, and touch nothing that is not theirs. */
import assert from 'node:assert/strict';
import type { PartReceipt, Upload } from '../contract/provider.ts';
import { DroverError } from '../model/errors.ts';
import { bytesOf, contentOf, failsWith, failureOf, sameBytes, streamOf, trueDigest, writeOptions } from './helpers.ts';
import { NotApplicable, type Check } from './harness.ts';
import {
  planOf,
  partsOf,
  begun,
  put,
  putAll,
  assertWhole,
  assertNothing,
  fromJournal,
  faultsOf,
} from './part-plans.ts';
import { assertProvedTrue, observed } from './writing.ts';

const SUITE = 'parts';

const unless: Check['unless'] = (manifest) =>
  manifest.target?.facets.includes('parts') === true ? null : 'it takes no uploads in parts';

export const PARTS: readonly Check[] = [
  {
    suite: SUITE,
    name: 'parts in any order become one object, from memory and from streams',
    unless,
    async run(trial) {
      const target = await trial.target();
      const parts = await partsOf(trial, target);
      const plan = planOf(parts, 'dir/in parts.bin', 4);
      const upload = await begun(trial, parts, plan);
      const receipts: PartReceipt[] = [];
      for (const index of [2, 0, 3, 1]) {
        const piece = plan.pieces[index] as Uint8Array;
        const content = index % 2 === 0 ? piece : streamOf(piece, 30_000);
        receipts.push(await parts.put(upload, index, { sizeBytes: piece.length, content }, {}, trial.signal));
        await assertNothing(trial, `after part ${index}`);
      }
      const ordered = receipts.toSorted((a, b) => a.index - b.index);
      const result = await parts.complete(upload, ordered, writeOptions(trial.signal));
      await assertWhole(trial, plan);
      assert.deepEqual((await target.stat(plan.key, trial.signal))?.identity, result.entry.identity);
      assert.equal(result.entry.sizeBytes, plan.content.length);
      assertProvedTrue(result.proved, plan.content, 'the whole');
    },
  },

  {
    suite: SUITE,
    name: 'many parts, several at a time',
    unless,
    async run(trial) {
      const parts = await partsOf(trial);
      const partCount = parts.limits.partBytesMin > 1_000_000 ? 6 : 60;
      const plan = planOf(parts, 'many.bin', partCount);
      const upload = await begun(trial, parts, plan);
      const receipts: PartReceipt[] = [];
      for (let at = 0; at < partCount; at += 6) {
        const indexes = Array.from({ length: Math.min(6, partCount - at) }, (_, i) => at + i);
        receipts.push(...(await Promise.all(indexes.map((index) => put(trial, parts, upload, plan, index)))));
      }
      const there = await parts.list(upload, trial.signal);
      assert.deepEqual(
        there.map((receipt) => receipt.index),
        [...plan.pieces.keys()],
      );
      await parts.complete(upload, receipts, writeOptions(trial.signal));
      await assertWhole(trial, plan);
    },
  },

  {
    suite: SUITE,
    name: 'a repeated part replaces the one before',
    unless,
    async run(trial) {
      const parts = await partsOf(trial);
      const plan = planOf(parts, 'repeated.bin');
      const upload = await begun(trial, parts, plan);
      const piece = plan.pieces[1] as Uint8Array;
      const wrong = contentOf('something else', piece.length);
      await parts.put(upload, 1, { sizeBytes: wrong.length, content: wrong }, {}, trial.signal);
      const receipts = await putAll(trial, parts, upload, plan);
      await put(trial, parts, upload, plan, 1);
      await parts.complete(upload, receipts, writeOptions(trial.signal));
      await assertWhole(trial, plan);
    },
  },

  {
    suite: SUITE,
    name: 'goes on after the process was lost, from what was written down',
    unless,
    async run(trial) {
      const first = await partsOf(trial);
      const plan = planOf(first, 'resumed.bin', 4);
      const upload = fromJournal(await begun(trial, first, plan));
      await put(trial, first, upload, plan, 0);
      await put(trial, first, upload, plan, 2);
      await using account = await trial.bench.reopen();
      const second = await partsOf(trial, await trial.target({}, account));
      const there = fromJournal(await second.list(upload, trial.signal));
      assert.deepEqual(
        there.map((receipt) => [receipt.index, receipt.sizeBytes]),
        [0, 2].map((index) => [index, plan.partBytes]),
      );
      const receipts = [...there, await put(trial, second, upload, plan, 1), await put(trial, second, upload, plan, 3)];
      const ordered = receipts.toSorted((a, b) => a.index - b.index);
      await second.complete(upload, ordered, writeOptions(trial.signal));
      await assertWhole(trial, plan);
    },
  },

  {
    suite: SUITE,
    name: 'finds an upload again of which only key and time are known; foreign ones never',
    unless,
    async run(trial) {
      const first = await partsOf(trial);
      const plan = planOf(first, 'found.bin');
      await trial.bench.foreignUpload?.(plan.key);
      assert.deepEqual(await first.find(plan.key, 0, trial.signal), [], 'before anything was begun');
      const upload = await begun(trial, first, plan);
      const other = await begun(trial, first, planOf(first, 'found.bin.other'));
      await using account = await trial.bench.reopen();
      const second = await partsOf(trial, await trial.target({}, account));
      const found = await second.find(plan.key, upload.startedAtMs, trial.signal);
      assert.equal(found.length, 1, 'exactly the one of this key');
      const again = fromJournal(found[0] as Upload);
      assert.equal(again.key, plan.key);
      const receipts = await putAll(trial, second, again, plan);
      await second.complete(again, receipts, writeOptions(trial.signal));
      sameBytes(await trial.bench.peek(plan.key), plan.content, plan.key);
      assert.deepEqual(await second.find(plan.key, upload.startedAtMs, trial.signal), [], 'after it was completed');
      await second.abort(other, trial.signal);
    },
  },

  {
    suite: SUITE,
    name: 'another run does not find it',
    unless,
    async run(trial) {
      const parts = await partsOf(trial);
      const plan = planOf(parts, 'mine.bin');
      const upload = await begun(trial, parts, plan);
      await put(trial, parts, upload, plan, 0);
      const stranger = await partsOf(trial, await trial.target({ runId: 'kitotherrun0' }));
      const found = await stranger.find(plan.key, 0, trial.signal);
      if (found.length > 0) {
        // Stores that keep no name beside an upload tell ours by our identity: then it must be this very one.
        assert.deepEqual(
          found.map((each) => each.token),
          [upload.token],
          'what was found is not ours',
        );
      }
      await parts.abort(upload, trial.signal);
    },
  },

  {
    suite: SUITE,
    name: 'aborting twice succeeds, shows nothing and loses the upload',
    unless,
    async run(trial) {
      const parts = await partsOf(trial);
      const plan = planOf(parts, 'aborted.bin');
      const upload = await begun(trial, parts, plan);
      const receipts = await putAll(trial, parts, upload, plan);
      await parts.abort(upload, trial.signal);
      await parts.abort(upload, trial.signal);
      await parts.abort(fromJournal(upload), trial.signal);
      await assertNothing(trial, 'after the abort');
      assert.deepEqual((await trial.bench.leftovers?.()) ?? [], []);
      await failsWith('UPLOAD_LOST', parts.list(upload, trial.signal), 'list after abort');
      await failsWith(
        'UPLOAD_LOST',
        parts.complete(upload, receipts, writeOptions(trial.signal)),
        'complete after abort',
      );
      await assertNothing(trial, 'after all');
    },
  },

  {
    suite: SUITE,
    name: 'a lost answer to begin leaves an upload that can be found, or nothing',
    unless,
    async run(trial) {
      const faults = faultsOf(trial);
      const parts = await partsOf(trial);
      const plan = planOf(parts, 'lost-begin.bin');
      faults.arm(1, 'lost-answer');
      let upload: Upload | null = null;
      try {
        // A provider whose uploads need no request cannot lose an answer to one.
        upload = await begun(trial, parts, plan);
      } catch (thrown) {
        assert.ok(thrown instanceof DroverError && thrown.policy.retry !== 'never', String(thrown));
      }
      faults.disarm();
      const found = await parts.find(plan.key, 0, trial.signal);
      assert.ok(found.length <= 1, 'more than one');
      for (const each of found) await parts.abort(each, trial.signal);
      if (upload !== null) await parts.abort(upload, trial.signal);
      assert.deepEqual((await trial.bench.leftovers?.()) ?? [], [], 'an upload stays that nobody knows of');
    },
  },

  {
    suite: SUITE,
    name: 'a lost answer to complete: repeating it finds out that it succeeded',
    unless,
    async run(trial) {
      const faults = faultsOf(trial);
      for (const expect of [{ kind: 'any' }, { kind: 'absent' }] as const) {
        const parts = await partsOf(trial, await observed(trial));
        const plan = planOf(parts, `lost-complete-${expect.kind}.bin`);
        const options = writeOptions(trial.signal, { expect });
        for (let nth = 1; nth <= 4; nth++) {
          const upload = await parts.begin(plan.key, plan.content.length, plan.partBytes, options);
          const receipts = await putAll(trial, parts, upload, plan);
          faults.arm(nth, 'lost-answer');
          const first = await parts.complete(upload, receipts, options).catch((thrown: unknown) => thrown);
          const { hasFired } = faults;
          faults.disarm();
          if (first instanceof Error) {
            assert.ok(first instanceof DroverError && first.policy.retry !== 'never', String(first));
            const second = await parts.complete(fromJournal(upload), fromJournal(receipts), options);
            assert.equal(second.entry.sizeBytes, plan.content.length);
          }
          sameBytes(await trial.bench.peek(plan.key), plan.content, `${plan.key}, request ${nth}`);
          await trial.bench.wipe(plan.key);
          if (!hasFired) break;
        }
      }
    },
  },

  {
    suite: SUITE,
    name: 'receipts in the wrong order give the right object or a refusal, missing ones a refusal',
    unless,
    async run(trial) {
      const parts = await partsOf(trial);
      const plan = planOf(parts, 'disordered.bin');
      const upload = await begun(trial, parts, plan);
      const receipts = await putAll(trial, parts, upload, plan);
      const missing = receipts.slice(0, 2);
      await failureOf(parts.complete(upload, missing, writeOptions(trial.signal)), 'complete without the last part');
      await assertNothing(trial, 'without the last part');
      const work = parts.complete(upload, receipts.toReversed(), writeOptions(trial.signal));
      const isDone = await work.then(
        () => true,
        (thrown: unknown) => {
          assert.ok(thrown instanceof DroverError, String(thrown));
          return false;
        },
      );
      if (!isDone) {
        await assertNothing(trial, 'in the wrong order');
        await parts.complete(upload, receipts, writeOptions(trial.signal));
      }
      await assertWhole(trial, plan);
    },
  },

  {
    suite: SUITE,
    name: 'a part with too few or too many bytes, or a wrong digest, is refused',
    unless,
    async run(trial) {
      const parts = await partsOf(trial);
      const plan = planOf(parts, 'bad-part.bin');
      const upload = await begun(trial, parts, plan);
      const piece = plan.pieces[0] as Uint8Array;
      const sizeBytes = piece.length;
      const short = { sizeBytes, content: streamOf(piece.subarray(1)) };
      await failsWith('EARLY_END', parts.put(upload, 0, short, {}, trial.signal), 'a short part');
      const long = { sizeBytes, content: streamOf(Buffer.concat([piece, bytesOf('x')])) };
      await failsWith('EXTRA_BYTES', parts.put(upload, 0, long, {}, trial.signal), 'a long part');
      for (const kind of trial.manifest.target?.provableDigests ?? []) {
        const wrong = trueDigest(kind, bytesOf('other content'));
        if (wrong === null) continue;
        const body = { sizeBytes, content: piece };
        try {
          const receipt = await parts.put(upload, 0, body, { [kind]: wrong }, trial.signal);
          assert.notEqual(receipt.proved[kind], wrong, `a wrong ${kind} was called proved`);
        } catch (thrown) {
          assert.ok(thrown instanceof DroverError && thrown.code === 'CORRUPTED', `a wrong ${kind}: ${String(thrown)}`);
        }
      }
      await parts.complete(upload, await putAll(trial, parts, upload, plan), writeOptions(trial.signal));
      await assertWhole(trial, plan);
    },
  },

  {
    suite: SUITE,
    name: 'the condition holds when it becomes visible, or is said to be ignored',
    unless,
    async run(trial) {
      const target = await observed(trial);
      const parts = await partsOf(trial, target);
      const plan = planOf(parts, 'conditional.bin');
      const options = writeOptions(trial.signal, { expect: { kind: 'absent' } });
      const upload = await parts.begin(plan.key, plan.content.length, plan.partBytes, options);
      const receipts = await putAll(trial, parts, upload, plan);
      const theirs = bytesOf('came in between');
      await trial.bench.seed(plan.key, theirs);
      try {
        if (target.facts.matchOnComplete === 'ignored') throw new NotApplicable('the store ignores it, as observed');
        await failsWith(
          'CHANGED',
          parts.complete(upload, receipts, options),
          'complete over something that came in between',
        );
        sameBytes(await trial.bench.peek(plan.key), theirs, 'what came in between');
      } finally {
        await parts.abort(upload, trial.signal);
      }
    },
  },

  {
    suite: SUITE,
    name: 'headers and metadata given when it begins arrive with the object',
    unless: (manifest, harness) =>
      unless(manifest, harness) ?? (manifest.target?.carries.metadata === true ? null : 'it carries no metadata'),
    async run(trial) {
      const target = await trial.target();
      const parts = await partsOf(trial, target);
      const plan = planOf(parts, 'dressed.bin', 2);
      const properties = {
        headers: { contentType: 'text/x-kit', cacheControl: 'max-age=60' },
        metadata: { plain: 'value', unicode: 'Zürich 😀' },
        tags: null,
        tagCount: 0,
        missingMetadata: 0,
      };
      const options = writeOptions(trial.signal, { properties });
      const upload = await parts.begin(plan.key, plan.content.length, plan.partBytes, options);
      const receipts = await putAll(trial, parts, upload, plan);
      const result = await parts.complete(upload, receipts, options);
      const entry = await target.stat(plan.key, trial.signal);
      assert.deepEqual(entry?.identity, result.entry.identity);
      const found = (await target.describe(entry, trial.signal)).properties;
      assert.deepEqual(found.metadata, properties.metadata);
      assert.equal(found.headers.contentType, 'text/x-kit');
      assert.equal(found.headers.cacheControl, 'max-age=60');
    },
  },
];
