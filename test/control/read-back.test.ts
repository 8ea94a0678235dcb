/** A job whose objects are read back from their target, with real providers. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openTestWorld } from '../cli/world.ts';
import { openCloud } from './cloud-world.ts';

test('each object is read once more from its target; one that is not what was written is copied again', async () => {
  const cloud = await openCloud({ verify: 'read-back' });
  let reads = 0;
  let flips = 0;
  cloud.faults(({ request }) => {
    const at = `${request.origin}${request.path}`;
    if (request.operation !== 'GET' || !at.includes('archive') || !at.includes('k/')) return null;
    reads += 1;
    return at.includes('k/0007') && flips++ === 0 ? { kind: 'bit-flip', atByte: 0 } : null;
  });
  const { id } = await cloud.start();
  const run = await cloud.until(id, 'succeeded', 'completed-with-issues', 'failed');
  expect(run.state).toBe('succeeded');
  const items = await cloud.items(id);
  expect(items.find(({ key }) => key === 'k/0007')?.attempts).toBe(2);
  expect(items.filter(({ attempts }) => attempts === 1)).toHaveLength(199);
  expect(reads).toBe(201);
});

test('so are files, where nothing but reading tells what a disk has kept', async () => {
  const world = openTestWorld();
  try {
    const from = join(world.folder, 'from');
    mkdirSync(from, { recursive: true });
    for (let at = 0; at < 5; at++) writeFileSync(join(from, `f${at}`), 'x'.repeat(at * 700_000));
    const run = await world.json('copy', from, join(world.folder, 'to'), '--verify', 'read-back');
    expect(run.exit, run.stderr).toBe(0);
    expect(run.summary).toMatchObject({ items: { copied: 5 }, verification: { V0: 0 } });
    const wrong = await world.json('copy', from, join(world.folder, 'to'), '--verify', 'hope');
    expect(wrong.exit).toBe(2);
  } finally {
    world.remove();
  }
});
