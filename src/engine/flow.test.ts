/** What passes through a flow: counted and hashed, and its digests are there for whoever asks, as often as they ask. */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
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
});
