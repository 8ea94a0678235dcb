/** Content on its way: sources that change, end early or go on too long, and parts that are tried again. */
import { describe, expect, test } from 'vitest';
import { DroverError } from '../../src/model/errors.ts';
import { openBench, sumsAgree } from '../engine/bench.ts';
import { BARE, hastyClock, MIB, NO_DIGESTS, openClouds, WITHOUT_DIGESTS } from './world.ts';

/** Every 16 bytes say where they are, so that a piece from the wrong place shows. */
function numbered(sizeBytes: number): Buffer {
  const content = Buffer.alloc(sizeBytes);
  for (let at = 0; at < sizeBytes; at += 16) content.write(String(at).padStart(16, '0'), at, 'latin1');
  return content;
}

describe('a source that changes between two parts (case 1)', () => {
  test('is copied whole in its new state, and the parts of the old one are gone', async () => {
    await using bench = await openBench(WITHOUT_DIGESTS, {}, hastyClock());
    bench.source.put('in', 'moving', Buffer.alloc(20 * MIB, 'a'), NO_DIGESTS);
    let gets = 0;
    bench.source.hooks.before = (operation) => {
      if (operation === 'GET' && ++gets === 2)
        bench.source.put('in', 'moving', Buffer.alloc(24 * MIB, 'b'), NO_DIGESTS);
    };
    const result = await bench.run();
    expect(result.run.counters.items).toMatchObject({ copied: 1, failed: 0 });
    const content = bench.target.get('out', 'moving')?.content ?? new Uint8Array(0);
    expect(content).toHaveLength(24 * MIB);
    expect(new Set(content)).toEqual(new Set(Buffer.from('b')));
    expect(bench.target.uploads.size).toBe(0);
    expect((await bench.log(result))[0]).toMatchObject({ attempts: 2, sizeBytes: 24 * MIB });
  });

  test('again and again is a failure with its name, never a mixture', async () => {
    await using bench = await openBench(WITHOUT_DIGESTS, {}, hastyClock());
    bench.source.put('in', 'restless', Buffer.alloc(20 * MIB, 'a'), NO_DIGESTS);
    let number = 0;
    bench.source.hooks.before = (operation) => {
      if (operation === 'GET') bench.source.put('in', 'restless', Buffer.alloc(20 * MIB, String(number++)), NO_DIGESTS);
    };
    const result = await bench.run();
    expect(result.run.counters.items).toMatchObject({ copied: 0, failed: 1 });
    expect((await bench.log(result))[0]).toMatchObject({ result: 'failed', code: 'CHANGED' });
    expect(bench.content(bench.target)).toEqual({});
    expect(bench.target.uploads.size).toBe(0);
  });

  test('is noticed by S3 itself: every ranged read names the state it belongs to', async () => {
    let gets = 0;
    await using clouds = await openClouds({
      from: 's3',
      to: 'azure',
      source: {
        plan: ({ request }) =>
          request.operation === 'GET' && ++gets === 2
            ? {
                kind: 'meanwhile',
                run: () =>
                  void clouds.s3.put('inside', 'moving', Buffer.alloc(20 * MIB, 'b'), { ...BARE, etag: 'another' }),
              }
            : null,
      },
    });
    clouds.s3.put('inside', 'moving', Buffer.alloc(20 * MIB, 'a'), BARE);
    const result = await clouds.run();
    expect(result.run.counters.items).toMatchObject({ copied: 1, failed: 0 });
    expect(new Set(clouds.azure.bytes('outside', 'moving'))).toEqual(new Set(Buffer.from('b')));
  });
});

describe('more or fewer bytes than declared (case 2)', () => {
  for (const [code, bend] of [
    ['EARLY_END', (content: Uint8Array) => content.subarray(0, content.length - 1)],
    ['EXTRA_BYTES', (content: Uint8Array) => Buffer.concat([content, Buffer.from('!')])],
  ] as const) {
    for (const sizeBytes of [100, 20 * MIB]) {
      test(`${code} of ${sizeBytes} bytes never becomes an object`, async () => {
        await using bench = await openBench(WITHOUT_DIGESTS, {}, hastyClock());
        bench.source.put('in', 'bent', numbered(sizeBytes), NO_DIGESTS);
        bench.source.hooks.reading = (_key, content) => bend(content);
        const result = await bench.run();
        expect(result.run.counters.items).toMatchObject({ copied: 0, failed: 1 });
        expect((await bench.log(result))[0]).toMatchObject({ code });
        expect(bench.content(bench.target)).toEqual({});
        expect(bench.target.uploads.size).toBe(0);
      });
    }
  }

  test('a broken part is read again from its own beginning', async () => {
    await using bench = await openBench(WITHOUT_DIGESTS, {}, hastyClock());
    const content = numbered(40 * MIB);
    bench.source.put('in', 'large', content, NO_DIGESTS);
    let chunks = 0;
    bench.source.hooks.before = (operation) => {
      // In the middle of a part, and twice in a row.
      if (operation === 'CHUNK' && [70, 71, 200, 201, 202].includes(++chunks)) {
        throw new DroverError('UNAVAILABLE', 'The connection was lost.');
      }
    };
    const result = await bench.run();
    expect(chunks).toBeGreaterThan(202);
    expect(result.run.counters.items).toMatchObject({ copied: 1, failed: 0 });
    expect(Buffer.compare(Buffer.from(bench.target.get('out', 'large')?.content ?? []), content)).toBe(0);
    sumsAgree(result, await bench.log(result));
    expect(result.run.counters.bytes.copied).toBe(content.length);
  });

  test('from S3 to Azure, with every second answer cut short', async () => {
    let gets = 0;
    await using clouds = await openClouds({
      from: 's3',
      to: 'azure',
      source: {
        plan: ({ request }) =>
          request.operation === 'GET' && ++gets % 2 === 1 ? { kind: 'early-end', afterBytes: 1000 } : null,
      },
    });
    const content = numbered(20 * MIB);
    clouds.s3.put('inside', 'large', content, BARE);
    clouds.s3.put('inside', 'small', content.subarray(0, 5000));
    const result = await clouds.run();
    expect(gets).toBeGreaterThan(2);
    expect(result.run.counters.items).toMatchObject({ copied: 2, failed: 0 });
    expect(clouds.azure.bytes('outside', 'large')?.equals(content)).toBe(true);
    expect(clouds.azure.bytes('outside', 'small')?.equals(content.subarray(0, 5000))).toBe(true);
  });
});

describe('content that is stored compressed (case 22)', () => {
  test('travels as its bytes, with its encoding as a header', async () => {
    await using clouds = await openClouds({ from: 's3', to: 'azure' });
    const packed = Buffer.from('1f8b080000000000000a2b492d2e01000c7e7fd804000000', 'hex');
    clouds.s3.put('inside', 'page.html', packed, {
      headers: { 'content-type': 'text/html', 'content-encoding': 'gzip' },
    });
    const result = await clouds.run();
    expect(result.run.counters.items).toMatchObject({ copied: 1, failed: 0 });
    expect(clouds.azure.bytes('outside', 'page.html')?.equals(packed)).toBe(true);
    expect(clouds.azure.get('outside', 'page.html')?.properties).toMatchObject({ 'content-encoding': 'gzip' });
  });

  test('a helpful proxy that unpacks it on the way is refused', async () => {
    await using clouds = await openClouds({
      from: 's3',
      to: 'azure',
      answer: (request, response) => {
        if (request.method !== 'GET' || !request.path.includes('page.html')) return response;
        const { 'content-length': _length, 'content-encoding': _encoding, ...headers } = response.headers;
        const body = Buffer.from('the unpacked page, which is longer than what was stored');
        return { ...response, headers, body: { sizeBytes: body.length, chunks: () => [body].values() } } as never;
      },
    });
    clouds.s3.put('inside', 'page.html', Buffer.from('packed'), { headers: { 'content-encoding': 'gzip' } });
    const result = await clouds.run();
    expect(result.run.counters.items).toMatchObject({ copied: 0, failed: 1 });
    expect((await clouds.log(result))[0]?.code).toMatch(/EXTRA_BYTES|CHANGED|CORRUPTED|UNAVAILABLE/);
    expect(clouds.azure.bytes('outside', 'page.html')).toBeNull();
  });
});
