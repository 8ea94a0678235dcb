/** What passes through a flow: counted and hashed, and its digests are there for whoever asks, as often as they ask. */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { createHasher } from '../lib/hash.ts';
import type { DroverError } from '../model/errors.ts';
import { collect, flowOf } from './flow.ts';

async function* chunks(...texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

describe('a flow', () => {
  test('tells its digests again when asked again', async () => {
    let countedBytes = 0;
    const flow = flowOf(chunks('some ', 'content'), {
      compute: ['md5', 'sha256', 'crc64nvme'],
      take: null,
      onBytes: (bytes) => (countedBytes += bytes),
    });
    expect(Buffer.from(await collect(flow.chunks, 12, 'key')).toString()).toBe('some content');
    const first = flow.digests();
    expect(first.md5).toBe(createHash('md5').update('some content').digest('hex'));
    expect(first.sha256).toBe(createHash('sha256').update('some content').digest('hex'));
    expect(flow.digests()).toEqual(first);
    expect([countedBytes, flow.countedBytes()]).toEqual([12, 12]);
  });

  test('takes no harm from chunks without bytes, also after the last one', async () => {
    const flow = flowOf(chunks('', 'some ', '', 'content', ''), {
      compute: ['md5', 'crc64nvme'],
      expected: { key: 'a', sizeBytes: 12, digests: {} },
      take: null,
      onBytes: () => undefined,
    });
    expect(Buffer.from(await collect(flow.chunks, 12, 'key')).toString()).toBe('some content');
    expect(flow.digests().md5).toBe(createHash('md5').update('some content').digest('hex'));
  });

  const crc32 = createHasher('crc32');
  crc32.update(Buffer.from('some content'));
  const right = crc32.hex();

  test.each([
    ['the digest that was told', right, 12, ['some ', 'content'], null],
    ['another one: its last chunk never passes', '00000000', 12, ['some '], 'CORRUPTED'],
    ['more bytes than declared', right, 5, ['some '], 'EXTRA_BYTES'],
  ] as const)('of content with %s', async (_, told, sizeBytes, passed, code) => {
    const seen: string[] = [];
    const flow = flowOf(chunks('some ', 'content'), {
      compute: ['crc32'],
      expected: { key: 'a', sizeBytes, digests: code === 'EXTRA_BYTES' ? {} : { crc32: told, md5: 'not computed' } },
      take: null,
      onBytes: () => undefined,
    });
    const reading = (async () => {
      for await (const chunk of flow.chunks) seen.push(Buffer.from(chunk).toString());
      return { code: null };
    })();
    expect((await reading.catch((error: DroverError) => error)).code).toBe(code);
    expect(seen).toEqual(passed);
  });
});
