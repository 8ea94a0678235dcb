/** Contents cut into parts, and the steps of an upload that most checks share. */
import assert from 'node:assert/strict';
import type { PartReceipt, Parts, Target, Upload } from '../contract/provider.ts';
import { contentOf, sameBytes, writeOptions } from './helpers.ts';
import { NotApplicable, type Trial } from './harness.ts';
import { assertProvedTrue } from './writing.ts';

/** A content, cut as the limits want it. */
export interface Plan {
  readonly key: string;
  readonly content: Uint8Array;
  readonly partBytes: number;
  readonly pieces: readonly Uint8Array[];
}

export function planOf(parts: Parts, key: string, partCount = 3): Plan {
  const partBytes = Math.max(parts.limits.partBytesMin, 100_000);
  const content = contentOf(key, partBytes * (partCount - 1) + 12_345);
  const pieces = Array.from({ length: partCount }, (_, i) => content.subarray(i * partBytes, (i + 1) * partBytes));
  return { key, content, partBytes, pieces };
}

export async function partsOf(trial: Trial, target?: Target): Promise<Parts> {
  const { parts } = (target ?? (await trial.target())).facets;
  assert.ok(parts !== undefined, 'the manifest names the facet, but it is not there');
  return parts;
}

export function begun(trial: Trial, parts: Parts, plan: Plan): Promise<Upload> {
  return parts.begin(plan.key, plan.content.length, plan.partBytes, writeOptions(trial.signal));
}

export async function put(trial: Trial, parts: Parts, upload: Upload, plan: Plan, index: number): Promise<PartReceipt> {
  const content = plan.pieces[index] as Uint8Array;
  const receipt = await parts.put(upload, index, { sizeBytes: content.length, content }, {}, trial.signal);
  assert.deepEqual([receipt.index, receipt.sizeBytes], [index, content.length]);
  assertProvedTrue(receipt.proved, content, `part ${index}`);
  return receipt;
}

export async function putAll(trial: Trial, parts: Parts, upload: Upload, plan: Plan): Promise<PartReceipt[]> {
  const receipts: PartReceipt[] = [];
  for (const index of plan.pieces.keys()) receipts.push(await put(trial, parts, upload, plan, index));
  return receipts;
}

export async function assertWhole(trial: Trial, plan: Plan): Promise<void> {
  sameBytes(await trial.bench.peek(plan.key), plan.content, plan.key);
  assert.deepEqual(await trial.bench.keys(), [plan.key]);
  assert.deepEqual((await trial.bench.leftovers?.()) ?? [], [], 'something was left behind');
}

export async function assertNothing(trial: Trial, what: string): Promise<void> {
  assert.deepEqual(await trial.bench.keys(), [], `${what}: something is visible`);
}

/** What a process that died wrote down: nothing but JSON is left. */
export function fromJournal<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}

export function faultsOf(trial: Trial): NonNullable<Trial['faults']> {
  if (trial.faults === null || !trial.faults.kinds.includes('lost-answer')) {
    throw new NotApplicable('its store cannot lose an answer');
  }
  return trial.faults;
}
