/** What an object has beside bytes, headers, metadata and tags: it arrives, or the report names it. */
import { describe, expect, test } from 'vitest';
import { openClouds } from './world.ts';

const LOCKED = { lock: { mode: 'COMPLIANCE', untilMs: Date.UTC(2031, 0, 2), legalHold: true } } as const;

describe('website redirects', () => {
  test('travel between buckets, and a refresh finds nothing to do', async () => {
    await using clouds = await openClouds({ from: 's3', to: 's3' });
    clouds.s3.put('inside', 'old.html', 'x', { websiteRedirect: '/new.html' });
    const result = await clouds.run();
    expect(clouds.s3.get('outside', 'old.html')?.attributes.websiteRedirect).toBe('/new.html');
    expect((await clouds.log(result))[0]?.details).toBeUndefined();
    const again = await clouds.run({ metadata: 'refresh' });
    expect((await clouds.log(again))[0]).toMatchObject({ result: 'same', code: expect.stringMatching(/^same-/) });
  });

  test('travel in a copy that the store makes by itself, and in an upload in parts', async () => {
    await using clouds = await openClouds({ from: 's3', to: 's3' });
    clouds.s3.putGenerated('inside', 'large', 1, 3 * 1024 * 1024, { websiteRedirect: 'https://example.com/' });
    for (const serverSide of ['always', 'never'] as const) {
      clouds.s3.remove('outside', 'large');
      await clouds.run({ serverSide });
      expect(clouds.s3.get('outside', 'large')?.attributes.websiteRedirect).toBe('https://example.com/');
    }
  });

  test('are named where the target has none, and a refresh does not fight for them', async () => {
    await using clouds = await openClouds({ from: 's3', to: 'azure' });
    clouds.s3.put('inside', 'old.html', 'x', { websiteRedirect: '/new.html' });
    const result = await clouds.run();
    expect((await clouds.log(result))[0]).toMatchObject({
      result: 'copied',
      details: expect.stringContaining('The website redirect to "/new.html" was left out'),
    });
    const again = await clouds.run({ metadata: 'refresh' });
    expect((await clouds.log(again))[0]?.code).not.toBe('properties-refreshed');
  });
});

test.each(['s3', 'azure'] as const)('an Object Lock that stays behind is named at its object (to %s)', async (to) => {
  await using clouds = await openClouds({ from: 's3', to });
  clouds.s3.put('inside', 'contract', 'x', LOCKED);
  clouds.s3.put('inside', 'plain', 'x');
  const records = await clouds.log(await clouds.run());
  const details = Object.fromEntries(records.map((record) => [record.key, record.details]));
  expect(details['contract']).toContain('Object Lock (COMPLIANCE until 2031-01-02T00:00:00.000Z)');
  expect(details['contract']).toContain('legal hold');
  expect(details['plain']).toBeUndefined();
});
