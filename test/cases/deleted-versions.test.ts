/** Keys that are deleted at the source but for their versions, with real providers over simulated services, and on Ceph. */
import { randomBytes } from 'node:crypto';
import { describe, expect, inject, test } from 'vitest';
import { s3 } from '../../src/providers/s3/provider.ts';
import { openTestWorld } from '../cli/world.ts';
import { RawStore } from '../raw-s3.ts';
import { openClouds, type Clouds, type Kind } from './world.ts';

const ALL = { versions: 'all' } as const;

/** Of a name at the target, oldest first; `null` is a deletion. */
function historyOf(clouds: Clouds, to: Kind, key: string): (string | null)[] {
  if (to === 's3') {
    const versions = (clouds.s3.bucket('outside').objects.get(key) ?? []).toReversed();
    return versions.map((one) =>
      one.deleteMarker ? null : Buffer.concat([...one.content.range(0, one.content.sizeBytes)]).toString(),
    );
  }
  const { blobs, history } = clouds.azure.container('outside');
  const older = [...(history.get(key) ?? [])].toReversed();
  const current = blobs.get(key);
  const text = ({ content }: (typeof older)[number]): string =>
    Buffer.concat([...content.range(0, content.sizeBytes)]).toString();
  return [...older.map(text), ...(current === undefined ? [null] : [text(current)])];
}

describe.each<[Kind, Kind]>([
  ['s3', 's3'],
  ['s3', 'azure'],
  ['azure', 's3'],
  ['azure', 'azure'],
])('%s to %s', (from, to) => {
  async function opened(keeps: boolean): Promise<Clouds> {
    const clouds = await openClouds({ from, to, azure: { versioning: from === 'azure' || keeps } });
    if (from === 's3') clouds.s3.bucket('inside').versioning = 'Enabled';
    if (keeps && to === 's3') clouds.s3.bucket('outside').versioning = 'Enabled';
    for (const content of ['one', 'two']) await put(clouds, 'gone', content);
    await remove(clouds, 'gone');
    await put(clouds, 'here', 'x');
    return clouds;
  }

  async function put(clouds: Clouds, key: string, content: string): Promise<void> {
    clouds.clock.advance(1_000);
    if (from === 's3') clouds.s3.put('inside', key, content);
    else clouds.azure.put('inside', key, content);
  }

  async function remove(clouds: Clouds, key: string): Promise<void> {
    clouds.clock.advance(1_000);
    if (from === 's3') {
      const versions = clouds.s3.bucket('inside').objects.get(key)!;
      versions.unshift({ ...versions[0]!, versionId: 'of-the-deletion', deleteMarker: true });
    } else {
      // As the service does it: what was the current one becomes one among the others.
      const { blobs, history } = clouds.azure.container('inside');
      history.set(key, [blobs.get(key)!, ...(history.get(key) ?? [])]);
      blobs.delete(key);
    }
  }

  test('deleted there too, after its versions, and nothing is left to do', async () => {
    await using clouds = await opened(true);
    const { run } = await clouds.run(ALL);
    expect(run).toMatchObject({ state: 'succeeded', counters: { items: { scanned: 3, copied: 3, unsupported: 0 } } });
    expect(historyOf(clouds, to, 'gone').filter((one) => one !== null)).toEqual(['one', 'two']);
    expect(historyOf(clouds, to, 'gone').at(-1)).toBeNull();
    expect(to === 's3' ? clouds.s3.keys('outside') : clouds.azure.keys('outside')).toEqual(['here']);
    const again = await clouds.run(ALL);
    expect(again.run).toMatchObject({ state: 'succeeded', counters: { items: { scanned: 3, same: 3 } } });
    const check = await clouds.run({ ...ALL, mode: 'check' });
    expect(check.run).toMatchObject({ state: 'succeeded', counters: { items: { same: 3 } } });
  });

  // An account of Azure keeps versions, or does not: of all that is in it.
  if (from === 'azure' && to === 'azure') return;

  test('left out where no versions are kept', async () => {
    await using clouds = await opened(false);
    const { run } = await clouds.run(ALL);
    expect(run).toMatchObject({ state: 'succeeded', counters: { items: { scanned: 3, copied: 1, excluded: 2 } } });
    expect(to === 's3' ? clouds.s3.keys('outside') : clouds.azure.keys('outside')).toEqual(['here']);
  });
});

const { rgw } = inject('servers');

test.skipIf(rgw === null)('on Ceph: deleted at the target too, with the versions below', async () => {
  const keys = rgw as NonNullable<typeof rgw>;
  const raw = new RawStore(keys);
  const [from, to] = ['from', 'to'].map((name) => `gone-${name}-${randomBytes(5).toString('hex')}`) as [string, string];
  const versionsOf = async (bucket: string): Promise<[string, string, string][]> => {
    const text = (await raw.must('GET', bucket, null, [['versions', '']])).body.toString('utf8');
    const all = text.matchAll(/<(Version|DeleteMarker)>.*?<Key>([^<]*)<\/Key><VersionId>([^<]*)<\/VersionId>/gs);
    return [...all].map(([, kind = '', key = '', id = '']) => [kind, key, id]);
  };
  const world = openTestWorld([s3]);
  Object.assign(world.environment, {
    DROVER_CONNECTOR_RGW_PROVIDER: 's3',
    DROVER_CONNECTOR_RGW_ENDPOINT: keys.endpoint,
    DROVER_CONNECTOR_RGW_ACCESS_KEY_ID: keys.accessKeyId,
    DROVER_CONNECTOR_RGW_SECRET_ACCESS_KEY: keys.secretAccessKey,
    DROVER_CONNECTOR_RGW_REGION: 'us-east-1',
    DROVER_CONNECTOR_RGW_PATH_STYLE: 'true',
  });
  try {
    for (const bucket of [from, to]) {
      await raw.must('PUT', bucket, null);
      const enabled = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';
      await raw.must('PUT', bucket, null, [['versioning', '']], {}, enabled);
    }
    for (const content of ['one', 'two', 'three']) await raw.must('PUT', from, 'gone', [], {}, content);
    await raw.must('DELETE', from, 'gone');
    await raw.must('PUT', from, 'here', [], {}, 'x');
    const first = await world.json('copy', `rgw:${from}`, `rgw:${to}`, '--versions', 'all');
    expect(first, first.stderr).toMatchObject({
      exit: 0,
      summary: { items: { scanned: 4, copied: 4, unsupported: 0 } },
    });
    expect((await versionsOf(to)).filter(([, key]) => key === 'gone').map(([kind]) => kind)).toEqual([
      'DeleteMarker',
      'Version',
      'Version',
      'Version',
    ]);
    expect(await raw.keys(to, '')).toEqual(['here']);
    const again = await world.json('copy', `rgw:${from}`, `rgw:${to}`, '--versions', 'all');
    expect(again, again.stderr).toMatchObject({ exit: 0, summary: { items: { same: 4, copied: 0 } } });
    expect((await versionsOf(to)).filter(([, key]) => key === 'gone')).toHaveLength(4);
  } finally {
    world.remove();
    for (const bucket of [from, to]) {
      for (const [, key, id] of await versionsOf(bucket).catch(() => []))
        await raw.send('DELETE', bucket, key, [['versionId', id]]);
      await raw.send('DELETE', bucket, null);
    }
  }
});
