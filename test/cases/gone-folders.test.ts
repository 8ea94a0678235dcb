/** The folder of one side is deleted, or a disk taken out, while a run is under way: before each request to the other side. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Context } from '../../src/contract/provider.ts';
import { runTransfer } from '../../src/engine/run.ts';
import { defineTransfer } from '../../src/engine/transfer.ts';
import { systemClock, systemRandom } from '../../src/lib/system.ts';
import { local } from '../../src/providers/local/provider.ts';
import { openBench, POLICY, TUNING, type Bench } from '../engine/bench.ts';
import { makeQuickFolder } from '../quick-folder.ts';
import { MIB } from './world.ts';

const { signal } = new AbortController();
const KEYS = ['changed', 'empty', 'large', 'sub/one', 'sub/two'];

let outer: string;
beforeEach(() => {
  outer = makeQuickFolder('drover-gone-');
});
afterEach(() => rmSync(outer, { recursive: true, force: true }));

function contentOf(key: string): Uint8Array {
  if (key === 'empty') return new Uint8Array(0);
  return key === 'large' ? new Uint8Array(11 * MIB).fill(7) : Buffer.from(`content of ${key}`);
}

function plant(folder: string, keys: readonly string[]): void {
  mkdirSync(join(folder, 'sub'), { recursive: true });
  for (const key of keys) writeFileSync(join(folder, key), contentOf(key));
}

async function openFolder(folder: string) {
  const context: Context = {
    openTransport: () => {
      throw new Error('A folder needs no network.');
    },
    clock: systemClock,
    random: systemRandom,
    log: () => undefined,
    environment: {},
    saveAccount: async () => undefined,
  };
  const account = await local.open({ root: outer }, context);
  const place = { container: folder, prefix: '' };
  return {
    source: await account.source(place, { versions: 'current' }, signal),
    target: await account.target(place, { facts: null, runId: 'testrun00001' }, signal),
  };
}

function definitionOf(policy: Partial<typeof POLICY>) {
  const end = { connector: 'x', only: null, place: { container: 'box', prefix: '' } };
  return defineTransfer({
    command: 'copy',
    source: { ...end, provider: 'one', fingerprint: 'x', label: 'x:in' },
    target: { ...end, provider: 'other', fingerprint: 'y', label: 'y:out' },
    policy: { ...POLICY, ...policy },
    concessions: [],
  });
}

/** `at`: before which request to the store on the other side the folder goes; `null`: it stays. */
async function runWithout(side: 'source' | 'target', at: number | null) {
  await using bench: Bench = await openBench();
  const folder = join(outer, `${side}-${at}`);
  plant(folder, side === 'source' ? KEYS : ['changed', 'sub/extra']);
  if (side === 'target') for (const key of KEYS) bench.source.put('in', key, contentOf(key));
  else for (const key of ['changed', 'extra-1', 'extra-2']) bench.target.put('out', key, 'older');
  if (side === 'target') writeFileSync(join(folder, 'changed'), 'older');
  const store = side === 'source' ? bench.target : bench.source;
  const opened = await openFolder(folder);
  const ends = await bench.ends();
  const asked: string[] = [];
  store.hooks.before = (operation, key) => {
    asked.push(`${operation} ${key}`);
    if (asked.length - 1 === at) rmSync(folder, { recursive: true });
  };
  const both = side === 'source' ? { source: opened.source, target: ends.target } : { ...ends, target: opened.target };
  const options = { runId: 'testrun00001', tuning: TUNING, signal, onProgress: null, continueRun: null };
  const result = await runTransfer(definitionOf({ mode: 'mirror', deleteShareMax: 1 }), both, bench.world, options);
  const left = (await bench.log(result)).filter(({ result: how }) => how === 'failed' || how === 'skipped');
  const isMirrored = side === 'source' && !bench.target.keys('out').includes('extra-1');
  const how = `${result.run.state} ${result.error?.code ?? ''} ${left.map(({ key, code }) => `${key}: ${code}`).join(', ')}`;
  return { asked, how: `${how}${isMirrored ? ' deleted' : ''}`.trim() };
}

describe.each(['source', 'target'] as const)('the folder of the %s', (side) => {
  test('fails the run wherever it goes; nothing is made anew, left out, blamed or deleted', async () => {
    const whole = await runWithout(side, null);
    expect(whole.how).toMatch(/^succeeded/);
    const wrong: string[] = [];
    for (let at = 0; at < whole.asked.length; at++) {
      const { asked, how } = await runWithout(side, at);
      // All of it was read, and what only the target has is being deleted.
      if (side === 'source' && asked.slice(0, at + 1).some((one) => one.startsWith('DELETE'))) break;
      if (how !== 'failed PLACE_NOT_FOUND') wrong.push(`${at} ${asked[at]}: ${how}`);
    }
    expect(wrong).toEqual([]);
  });
});
