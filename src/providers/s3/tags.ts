/** Writes the tags of an object that is there already. */
import { createHash } from 'node:crypto';
import { escapeXml } from '../../lib/xml.ts';
import { DroverError } from '../../model/errors.ts';
import { keptTags } from './headers.ts';
import type { Objects } from './objects.ts';

/** A refusal is a loss of the tags, not of the object. */
export async function replaceTags(
  objects: Objects,
  key: string,
  tags: Readonly<Record<string, string>>,
  losses: string[],
  signal: AbortSignal,
): Promise<void> {
  const items = keptTags(tags, []).map(
    ([name, value]) => `<Tag><Key>${escapeXml(name)}</Key><Value>${escapeXml(value)}</Value></Tag>`,
  );
  const text = `<Tagging xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><TagSet>${items.join('')}</TagSet></Tagging>`;
  const body = Buffer.from(text, 'utf8');
  try {
    await objects.client.run({
      method: 'PUT',
      ...objects.on(key),
      query: [['tagging', '']],
      headers: {
        'content-type': 'application/xml',
        'content-md5': createHash('md5').update(body).digest('base64'),
      },
      body: { sizeBytes: body.length, content: body },
      operation: 'TAGS',
      signal,
    });
  } catch (thrown) {
    const isRefusal = thrown instanceof DroverError && ['PERMISSION_DENIED', 'UNSUPPORTED'].includes(thrown.code);
    if (!isRefusal) throw thrown;
    losses.push(`The tags were not written: ${thrown.message}`);
  }
}
