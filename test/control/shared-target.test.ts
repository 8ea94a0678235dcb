/** What a mirror deletes may be what another job has put there: both are said to whoever makes or starts one of them. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { connectorOpener } from '../../src/control/connectors/open.ts';
import { openConnectors } from '../../src/control/connectors/service.ts';
import { openEndpoints } from '../../src/control/endpoints/service.ts';
import type { Actor, Endpoint, Job } from '../../src/control/entities.ts';
import { openPreflight } from '../../src/control/jobs/preflight.ts';
import { openJobs } from '../../src/control/jobs/service.ts';
import { openProjects } from '../../src/control/projects/service.ts';
import type { Endpoints, Jobs } from '../../src/control/services.ts';
import { openTestWorld, type TestWorld } from '../../src/control/testing.ts';
import { local } from '../../src/providers/local/provider.ts';

const { signal } = new AbortController();

let world: TestWorld;
let endpoints: Endpoints;
let jobs: Jobs;
let admin: Actor;
let projectId: string;
let folder: string;
let connectorId: string;
let made = 0;

beforeAll(async () => {
  world = await openTestWorld({ providers: [local] });
  admin = world.as('admin');
  const openConnector = connectorOpener(world);
  endpoints = openEndpoints(world, openConnector);
  const cleanup = { removeFilesOf: async () => undefined };
  jobs = openJobs(world, { cleanup, ...openPreflight(world, openConnector) });
  projectId = (await openProjects(world, cleanup).create(admin, { name: 'One' })).id;
});
afterAll(() => world.close());
beforeEach(async () => {
  made += 1;
  folder = await mkdtemp(join(tmpdir(), 'drover-shared-target-'));
  for (const name of ['s1', 's2', 't/sub/deep', 'u']) await mkdir(join(folder, name), { recursive: true });
  connectorId = (await openConnectors(world).authorize(admin, { provider: 'local', config: { root: folder } })).id;
  return () => rm(folder, { recursive: true });
});

const endpoint = (kind: Endpoint['kind'], path: string): Promise<Endpoint> =>
  endpoints.create(admin, { kind, connectorId, place: { container: join(folder, path), prefix: '' } }, signal);

interface Wanted {
  readonly name: string;
  readonly mode: 'merge' | 'mirror';
  readonly source: Endpoint;
  readonly target: Endpoint;
  readonly below?: string;
}

const job = ({ name, mode, source, target, below }: Wanted): Promise<Job> =>
  jobs.create(admin, projectId, {
    name: `${name}${made}`,
    sourceEndpointId: source.id,
    targetEndpointId: target.id,
    ...(below === undefined ? {} : { targetSubPath: below }),
    settings: { mode },
  });
const warningsAt = async ({ id }: Job, kind: 'transfer' | 'dry-run' | 'validate' = 'transfer') => {
  const { warnings } = await jobs.preflight(admin, id, { count: false, kind }, signal);
  return warnings.filter((warning) => warning.includes('a target of its own'));
};

describe('where a mirror and another job write', () => {
  test.each<[string, string, string | undefined, string, string | undefined]>([
    ['the same endpoint', 't', undefined, 't', undefined],
    ['an endpoint below', 't', undefined, 't/sub', undefined],
    ['an endpoint above', 't/sub', undefined, 't', undefined],
    ['a path below the same endpoint', 't', undefined, 't', 'sub/deep'],
    ['a path above, of an endpoint below', 't', 'sub', 't/sub', undefined],
    ['paths that meet', 't', 'sub/deep', 't/sub', 'deep'],
  ])('%s: both are warned of, by name', async (_where, mirrored, mirroredBelow, written, writtenBelow) => {
    const [s1, s2] = [await endpoint('source', 's1'), await endpoint('source', 's2')];
    const into = await endpoint('target', mirrored);
    const other = mirrored === written ? into : await endpoint('target', written);
    const below = (path: string | undefined) => (path === undefined ? {} : { below: path });
    const mirror = await job({ name: 'mirror', mode: 'mirror', source: s1, target: into, ...below(mirroredBelow) });
    expect(mirror.warnings).toBeUndefined();
    expect(await warningsAt(mirror)).toEqual([]);

    const merge = await job({ name: 'merge', mode: 'merge', source: s2, target: other, ...below(writtenBelow) });
    const toMerge = new RegExp(`^The job "One/mirror${made}" is a mirror to .*also what this job puts there`);
    const toMirror = new RegExp(
      `^This job is a mirror .*the job "One/merge${made}" writes to .*also what that job has`,
    );
    expect(merge.warnings).toEqual([expect.stringMatching(toMerge)]);
    expect(await warningsAt(merge)).toEqual([expect.stringMatching(toMerge)]);
    // At each start, and not only at the first.
    for (const kind of ['transfer', 'dry-run', 'transfer'] as const)
      expect(await warningsAt(mirror, kind)).toEqual([expect.stringMatching(toMirror)]);
    expect(await warningsAt(mirror, 'validate')).toEqual([]);
    // Whoever looks at the mirror again by changing it.
    const changed = await jobs.update(admin, mirror.id, null, { description: 'x' });
    expect(changed.warnings).toEqual([expect.stringMatching(toMirror)]);
  });

  test('through another connector, too', async () => {
    const config = { root: join(folder, 't') };
    const other = (await openConnectors(world).authorize(admin, { provider: 'local', config })).id;
    const place = { container: join(folder, 't/sub'), prefix: '' };
    const into = await endpoints.create(admin, { kind: 'target', connectorId: other, place }, signal);
    const target = await endpoint('target', 't');
    await job({ name: 'merge', mode: 'merge', source: await endpoint('source', 's1'), target: into });
    const mirror = await job({ name: 'mirror', mode: 'mirror', source: await endpoint('source', 's2'), target });
    expect(mirror.warnings).toEqual([expect.stringContaining(`"One/merge${made}"`)]);
  });
});

test('places beside each other, and jobs that do not delete, are none of it', async () => {
  const [source, target] = [await endpoint('source', 's1'), await endpoint('target', 't')];
  const beside = await endpoint('target', 'u');
  const all = [
    await job({ name: 'a', mode: 'mirror', source, target, below: 'sub' }),
    await job({ name: 'b', mode: 'mirror', source, target, below: 'subs' }),
    await job({ name: 'c', mode: 'mirror', source, target: beside }),
    await job({ name: 'd', mode: 'merge', source, target, below: 'x' }),
    await job({ name: 'e', mode: 'merge', source, target, below: 'x' }),
  ];
  expect(all.map(({ warnings }) => warnings)).toEqual(all.map(() => undefined));
});

test('two mirrors warn of each other; many are counted', async () => {
  const [source, target] = [await endpoint('source', 's1'), await endpoint('target', 't')];
  for (const name of ['a', 'b', 'c', 'd', 'e', 'f', 'g']) await job({ name, mode: 'merge', source, target });
  const mirror = await job({ name: 'h', mode: 'mirror', source, target });
  expect(mirror.warnings).toEqual([
    expect.stringMatching(/the jobs "One\/a\d+", .* and 2 more write there or to a part/),
  ]);
  const second = await job({ name: 'i', mode: 'mirror', source: await endpoint('source', 's2'), target });
  expect(second.warnings).toEqual([
    expect.stringMatching(/^This job is a mirror .* and 3 more/),
    expect.stringMatching(/^The job "One\/h\d+" is a mirror/),
  ]);
});
