/** A mirror whose source has links: what lies below them at the target stays, in jobs and without a server. */
import { mkdirSync, readdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openLogs } from '../../src/control/logs/service.ts';
import { openTestWorld } from '../cli/world.ts';
import { openFleetTest } from './fleet-world.ts';
import { PERSON } from './made.ts';

test('a job: log, counters and run log say what stays, and the sums agree', async () => {
  await using fleet = await openFleetTest();
  for (const name of ['one', 'two']) await fleet.worker(name);
  const job = await fleet.job({
    objects: 30,
    settings: { mode: 'mirror' },
    sourceBehaviour: { unread: ['links'] },
    slowMs: 20,
  });
  job.from.put('box', 'arch', '', { kind: 'opaque', nativeType: 'symlink' });
  for (let at = 0; at < 120; at++) job.from.put('box', `arch-${at}`, 'x');
  const below = Array.from({ length: 90 }, (_, at) => `arch/${at}`);
  for (const key of [...below, 'gone']) job.to.put('box', key, 'xy');
  const { id } = await fleet.start(job);
  const run = await fleet.until(id, 'succeeded', 'completed-with-issues', 'failed');
  expect(run).toMatchObject({
    state: 'completed-with-issues',
    counters: {
      items: { scanned: 151, copied: 150, unsupported: 1, deleted: 1 },
      differences: { extra: 91, kept: 90 },
      differenceBytes: { extra: 182, kept: 180 },
    },
  });
  const told = (await fleet.items(id)).filter(({ code }) => code === 'source-unread');
  expect(told.map(({ key }) => key).toSorted()).toEqual(below.toSorted());
  expect(job.to.keys('box')).toEqual(expect.arrayContaining(below));
  const lines = await openLogs(fleet.world).lines(PERSON, id, { limit: 1_000 });
  const sums = lines.items.find(({ code }) => code === 'SUMS')?.message;
  expect(sums).toContain('90 left at the target below names of the source that are not read');
});

test('without a server: a folder that was moved, with a link left in its place, loses nothing at the target', async () => {
  const world = openTestWorld();
  try {
    const at = (...names: string[]): string => join(world.folder, ...names);
    for (const name of ['arch', 'live']) {
      mkdirSync(at('s', name), { recursive: true });
      for (let i = 0; i < 3; i++) writeFileSync(at('s', name, String(i)), name);
    }
    expect((await world.call('sync', at('s'), at('t'))).exit).toBe(0);
    renameSync(at('s', 'arch'), at('elsewhere'));
    symlinkSync('../elsewhere', at('s', 'arch'));
    const sync = await world.call('sync', at('s'), at('t'), '--max-delete', '0');
    expect(sync.stdout + sync.stderr).toContain('Symbolic links, devices, pipes and sockets of Local folder');
    expect(sync.stdout).toContain('3 objects only in the target stay: below names of the source that are not read.');
    expect(readdirSync(at('t', 'arch'))).toEqual(['0', '1', '2']);
    const again = await world.json('sync', at('s'), at('t'), '--dry-run');
    expect(again.summary).toMatchObject({ items: { unsupported: 1 }, differences: { extra: 3, kept: 3 } });
  } finally {
    world.remove();
  }
});
