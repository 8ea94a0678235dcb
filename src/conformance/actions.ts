/** Whole operations that the suites on cancelling and on faults take apart, request by request. */
import assert from 'node:assert/strict';
import type { Parts, Source, Target } from '../contract/provider.ts';
import { DroverError } from '../model/errors.ts';
import { contentOf, contentRead, EVERYTHING, listed, sameBytes, streamOf, writeOptions } from './helpers.ts';
import type { Check, Trial } from './harness.ts';

/** What an action works on, opened and prepared while nothing is disturbed. */
export interface Stage {
  readonly trial: Trial;
  readonly source: Source | null;
  readonly target: Target | null;
}

export interface Action {
  readonly name: string;
  readonly unless: NonNullable<Check['unless']>;
  prepare?(stage: Stage): Promise<void>;
  run(stage: Stage, signal: AbortSignal): Promise<void>;
  /** What must hold when it failed or was stopped: nothing half-done is visible. */
  afterFailure(stage: Stage): Promise<void>;
  /** Undoes what a success left, so that it can be run again. */
  reset?(stage: Stage): Promise<void>;
}

const needsSource: Action['unless'] = (manifest) => (manifest.source === null ? 'it is not a source' : null);
const needsTarget: Action['unless'] = (manifest) => (manifest.target === null ? 'it is not a target' : null);
const needsParts: Action['unless'] = (manifest) =>
  manifest.target?.facets.includes('parts') === true ? null : 'it takes no uploads in parts';
const needsRemoval: Action['unless'] = (manifest) =>
  manifest.target?.facets.includes('removal') === true ? null : 'it removes nothing';

const THERE = 'there.bin';
const THERE_CONTENT = contentOf('there', 120_000);
const NEW = 'new.bin';
const NEW_CONTENT = contentOf('new', 120_000);

function sourceOf(stage: Stage): Source {
  assert.ok(stage.source !== null);
  return stage.source;
}

function targetOf(stage: Stage): Target {
  assert.ok(stage.target !== null);
  return stage.target;
}

function partsOf(stage: Stage): Parts {
  const { parts } = targetOf(stage).facets;
  assert.ok(parts !== undefined);
  return parts;
}

async function seedThere({ trial }: Stage): Promise<void> {
  await trial.bench.seed(THERE, THERE_CONTENT);
}

async function unchanged({ trial }: Stage): Promise<void> {
  assert.deepEqual(await trial.bench.keys(), [THERE]);
  sameBytes(await trial.bench.peek(THERE), THERE_CONTENT, THERE);
}

/** The old state or the whole new one: a lost answer may hide a success, but never half of one. */
async function wholeOrNothing({ trial }: Stage, key: string, content: Uint8Array): Promise<void> {
  const now = await trial.bench.peek(key);
  if (now !== null) sameBytes(now, content, `${key} is half-done`);
}

function chunked(content: Uint8Array): AsyncIterable<Uint8Array> {
  return streamOf(content, 40_000);
}

async function wipeNew({ trial }: Stage): Promise<void> {
  await trial.bench.wipe(NEW);
}

function writing(name: string, body: (content: Uint8Array) => Uint8Array | AsyncIterable<Uint8Array>): Action {
  return {
    name,
    unless: needsTarget,
    async run(stage, signal) {
      const body_ = { sizeBytes: NEW_CONTENT.length, content: body(NEW_CONTENT) };
      await targetOf(stage).write(NEW, body_, writeOptions(signal));
      sameBytes(await stage.trial.bench.peek(NEW), NEW_CONTENT, 'what was written');
    },
    afterFailure: (stage) => wholeOrNothing(stage, NEW, NEW_CONTENT),
    reset: wipeNew,
  };
}

export const ACTIONS: readonly Action[] = [
  {
    name: 'listing',
    unless: needsSource,
    prepare: seedThere,
    async run(stage, signal) {
      const { entries } = await listed(sourceOf(stage), EVERYTHING, signal);
      assert.deepEqual(
        entries.filter((entry) => !entry.isImplied).map((entry) => entry.key),
        [THERE],
      );
    },
    afterFailure: unchanged,
  },
  {
    name: 'stat and describe',
    unless: needsSource,
    prepare: seedThere,
    async run(stage, signal) {
      const entry = await sourceOf(stage).stat(THERE, signal);
      assert.ok(entry !== null);
      await sourceOf(stage).describe(entry, signal);
    },
    afterFailure: unchanged,
  },
  {
    name: 'reading',
    unless: needsSource,
    prepare: seedThere,
    async run(stage, signal) {
      const entry = await sourceOf(stage).stat(THERE, signal);
      assert.ok(entry !== null);
      const reading = await sourceOf(stage).read(entry, { offset: 0, lengthBytes: THERE_CONTENT.length }, signal);
      sameBytes(await contentRead(reading), THERE_CONTENT, 'what was read');
    },
    afterFailure: unchanged,
  },
  writing('writing from memory', (content) => content),
  writing('writing a stream', chunked),
  {
    name: 'an upload in parts',
    unless: needsParts,
    async run(stage, signal) {
      const parts = partsOf(stage);
      const partBytes = Math.max(parts.limits.partBytesMin, 100_000);
      const content = contentOf('in parts', partBytes + 5000);
      const options = writeOptions(signal);
      const upload = await parts.begin(NEW, content.length, partBytes, options);
      const pieces = [content.subarray(0, partBytes), content.subarray(partBytes)];
      const receipts = [];
      for (const [index, piece] of pieces.entries()) {
        receipts.push(await parts.put(upload, index, { sizeBytes: piece.length, content: piece }, {}, signal));
      }
      await parts.complete(upload, receipts, options);
      sameBytes(await stage.trial.bench.peek(NEW), content, 'what was put together');
    },
    async afterFailure(stage) {
      const parts = partsOf(stage);
      const partBytes = Math.max(parts.limits.partBytesMin, 100_000);
      await wholeOrNothing(stage, NEW, contentOf('in parts', partBytes + 5000));
      // What is unfinished can be found and taken away.
      for (const upload of await parts.find(NEW, 0, stage.trial.signal)) await parts.abort(upload, stage.trial.signal);
      assert.deepEqual((await stage.trial.bench.leftovers?.()) ?? [], [], 'an upload stays that nobody can find');
    },
    reset: wipeNew,
  },
  {
    name: 'removing',
    unless: needsRemoval,
    prepare: seedThere,
    async run(stage, signal) {
      const target = targetOf(stage);
      const entry = await target.stat(THERE, signal);
      if (entry !== null) await target.facets.removal?.remove(entry, signal);
      assert.deepEqual(await stage.trial.bench.keys(), []);
    },
    afterFailure: (stage) => wholeOrNothing(stage, THERE, THERE_CONTENT),
    reset: seedThere,
  },
];

export async function staged(trial: Trial, action: Action): Promise<Stage> {
  const { manifest } = trial;
  const source = manifest.source === null ? null : await trial.source();
  const target = manifest.target === null ? null : await trial.target();
  const stage = { trial, source, target };
  await action.prepare?.(stage);
  // Connections, regions and tokens are settled before anything is counted.
  await (source ?? target)?.stat('warm-up', trial.signal);
  return stage;
}

/** The error of a run that must end with a DroverError or well; `null` when it went well. */
export async function outcomeOf(work: Promise<void>, what: string): Promise<DroverError | null> {
  try {
    await work;
    return null;
  } catch (thrown) {
    if (thrown instanceof DroverError) return thrown;
    throw new assert.AssertionError({
      message: `${what}: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
    });
  }
}
