/** Sample data: all of it comes, all of it goes, and nothing else with it. */
import { access, mkdir, readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { refuseFolder } from '../connectors/addresses.ts';
import { connectorOpener } from '../connectors/open.ts';
import { openConnectors } from '../connectors/service.ts';
import { openEndpoints } from '../endpoints/service.ts';
import { openPreflight } from '../jobs/preflight.ts';
import { openJobs } from '../jobs/service.ts';
import { openProjects } from '../projects/service.ts';
import { openTestWorld } from '../testing.ts';
import { openSamples } from './service.ts';

const { signal } = new AbortController();

async function open() {
  const world = await openTestWorld();
  onTestFinished(() => world.close());
  const cleanup = { removeFilesOf: async () => undefined };
  const openConnector = connectorOpener(world);
  const connectors = openConnectors(world);
  const endpoints = openEndpoints(world, openConnector);
  const projects = openProjects(world, cleanup);
  const jobs = openJobs(world, { cleanup, ...openPreflight(world, openConnector) });
  const samples = openSamples(world, { connectors, endpoints, projects, jobs });
  const folder = join(world.settings.dataDir, 'samples');
  const counts = async (): Promise<number[]> =>
    Promise.all(
      (['connectors', 'endpoints', 'projects', 'jobs', 'samples'] as const).map(
        async (table) => (await world.db.selectFrom(table).selectAll().execute()).length,
      ),
    );
  return { world, connectors, endpoints, projects, jobs, samples, folder, counts, admin: world.as('admin') };
}

test('made once, ready to be copied, and gone with its folder', async () => {
  const { samples, admin, folder, counts, jobs } = await open();
  expect(await samples.get(admin)).toEqual({ sample: null });
  const { sample } = await samples.create(admin, signal);
  expect(sample?.files).toBeGreaterThan(200);
  expect(await readdir(join(folder, 'source', 'hard names'))).toContain('line\nbreak.txt');
  expect(await counts()).toEqual([1, 2, 1, 1, 1]);
  const { ok, estimate } = await jobs.preflight(admin, sample?.jobId ?? '', { count: true }, signal);
  expect(ok).toBe(true);
  // The empty folder is copied, too.
  expect(estimate?.items).toBe((sample?.files ?? 0) + 1);
  await expect(samples.create(admin, signal)).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  await samples.remove(admin);
  expect(await counts()).toEqual([0, 0, 0, 0, 0]);
  await expect(access(folder)).rejects.toThrow();
  await expect(samples.remove(admin)).rejects.toMatchObject({ code: 'ENTITY_NOT_FOUND' });
});

test('whoever may not make connectors makes and removes none', async () => {
  const { samples, world, counts } = await open();
  const operator = world.as('operator');
  await expect(samples.create(operator, signal)).rejects.toMatchObject({ code: 'FORBIDDEN' });
  await expect(samples.remove(operator)).rejects.toMatchObject({ code: 'FORBIDDEN' });
  expect(await counts()).toEqual([0, 0, 0, 0, 0]);
});

test('names that are taken are no obstacle, and what somebody made with it is not taken along', async () => {
  const { samples, admin, counts, projects, jobs, folder } = await open();
  const mine = await projects.create(admin, { name: 'Sample data' });
  const { sample } = await samples.create(admin, signal);
  const ends = { sourceEndpointId: sample?.sourceEndpointId ?? '', targetEndpointId: sample?.targetEndpointId ?? '' };
  for (const projectId of [mine.id, sample?.projectId ?? '']) {
    const { id } = await jobs.create(admin, projectId, { name: 'Mine', ...ends });
    await expect(samples.remove(admin)).rejects.toMatchObject({
      code: 'IN_USE',
      message: expect.stringContaining('"Mine"'),
    });
    expect(await counts()).toEqual([1, 2, 2, 2, 1]);
    await access(join(folder, 'source', 'empty.txt'));
    await jobs.remove(admin, id, null);
  }
  await samples.remove(admin);
  expect(await counts()).toEqual([0, 0, 1, 0, 0]);
});

test('what somebody has removed already is no obstacle', async () => {
  const { samples, admin, counts, projects, endpoints } = await open();
  const { sample } = await samples.create(admin, signal);
  await projects.remove(admin, sample?.projectId ?? '', null, 1);
  await endpoints.remove(admin, sample?.sourceEndpointId ?? '', null);
  expect((await samples.get(admin)).sample).toMatchObject({ jobId: null, sourceEndpointId: null });
  await samples.remove(admin);
  expect(await counts()).toEqual([0, 0, 0, 0, 0]);
});

test('a failure in the middle leaves nothing', async () => {
  const { world, connectors, endpoints, projects, counts, folder, admin } = await open();
  const jobs = { create: () => Promise.reject(new Error('no')) };
  await expect(openSamples(world, { connectors, endpoints, projects, jobs }).create(admin, signal)).rejects.toThrow();
  expect(await counts()).toEqual([0, 0, 0, 0, 0]);
  await expect(access(folder)).rejects.toThrow();
});

test('of the data folder nothing but the samples is open', async () => {
  const { world } = await open();
  const { dataDir } = world.settings;
  const settings = { ...world.settings, localFolders: ['/srv/only'] };
  await mkdir(join(dataDir, 'samples', 'source'), { recursive: true });
  await symlink(dataDir, join(dataDir, 'samples', 'out'));
  await refuseFolder(settings, join(dataDir, 'samples', 'source'));
  for (const path of ['samples/..', 'samples/out', 'samples-not', '', 'samples/out/postgres']) {
    await expect(refuseFolder(settings, join(dataDir, path)), path).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  }
  const masterKeyFile = join(dataDir, 'samples', 'master.key');
  await expect(refuseFolder({ ...settings, masterKeyFile }, join(dataDir, 'samples'))).rejects.toThrow();
});
