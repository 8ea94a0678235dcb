/** What may be read of the objects of a place, found out by doing it. */
import type { CheckLine, Place } from '../../contract/provider.ts';
import type { Random } from '../../lib/world.ts';
import { toDroverError } from '../../model/errors.ts';
import type { Entry } from '../../model/entry.ts';
import { granting, isAboutRights, line, objectsArn, refusal } from './check-lines.ts';
import type { S3Client } from './client.ts';
import { encryptionOfRead } from './encryption.ts';
import { Objects } from './objects.ts';

export interface ObjectCheck {
  readonly client: S3Client;
  readonly random: Random;
}

/** One byte of objects that are there, until one can be read. */
export async function readLine(
  client: S3Client,
  place: Place,
  samples: readonly Entry[],
  signal: AbortSignal,
): Promise<{ line: CheckLine; readable: Entry | null }> {
  let refused: CheckLine | null = null;
  for (const sample of samples) {
    const answer = await readOne(client, place, sample, signal);
    if (answer.result === 'refused') {
      refused ??= answer;
      continue;
    }
    if (answer.result !== 'ok' || refused === null) {
      return { line: answer, readable: answer.result === 'ok' ? sample : null };
    }
    const message = `Objects can be read, but not all of them: "${sample.key}" can, "${samples[0]?.key}" cannot. Each that cannot fails by itself.`;
    return { line: line('read', 'warning', message), readable: sample };
  }
  return { line: refused ?? line('read', 'unknown', 'There is no object here to try reading with.'), readable: null };
}

async function readOne(client: S3Client, place: Place, first: Entry, signal: AbortSignal): Promise<CheckLine> {
  try {
    const response = await client.send({
      method: 'GET',
      bucket: place.container,
      key: place.prefix + first.key,
      headers: {
        ...(first.sizeBytes > 0 ? { range: 'bytes=0-0' } : {}),
        ...encryptionOfRead(client.settings),
      },
      operation: 'GET',
      signal,
    });
    await response.discard();
    return line('read', 'ok', 'Objects can be read.');
  } catch (thrown) {
    const error = toDroverError(thrown);
    if (error.code === 'ARCHIVED')
      return line('read', 'unknown', 'The first objects are archived; reading was not tried.');
    const answer = refusal('read', 'Objects cannot be read', error);
    return granting(answer, error, 's3:GetObject', objectsArn(client, place));
  }
}

/** A target is looked at again by its headers. Whoever may list is told that nothing is there, if he may also read. */
export async function headLine({ client, random }: ObjectCheck, place: Place, signal: AbortSignal): Promise<CheckLine> {
  const key = `${place.prefix}.drover-probe-${Buffer.from(random.bytes(8)).toString('hex')}`;
  try {
    await client.run({ method: 'HEAD', bucket: place.container, key, operation: 'HEAD', signal });
  } catch (thrown) {
    const error = toDroverError(thrown);
    if (isAboutRights(error)) {
      const message = 'What is at the target cannot be looked at: writes of which the answer is lost count as failed';
      const answer = line('read', 'warning', `${message}: ${error.message}`);
      return granting(answer, error, 's3:GetObject', objectsArn(client, place));
    }
    if (error.code !== 'NOT_FOUND') return refusal('read', 'Objects cannot be looked at', error);
  }
  return line('read', 'ok', 'Objects can be looked at.');
}

/** Whoever may not read tags is not told that there are any. */
export async function tagsLine(client: S3Client, place: Place, first: Entry, signal: AbortSignal): Promise<CheckLine> {
  try {
    const objects = new Objects(client, { bucket: place.container, prefix: place.prefix });
    await objects.readTags(first, signal);
    return line('tags', 'ok', 'Tags can be read.');
  } catch (thrown) {
    const error = toDroverError(thrown);
    if (!isAboutRights(error)) return refusal('tags', 'Reading tags was not possible', error);
    const message = 'Tags cannot be read: objects are copied without them.';
    return line('tags', 'warning', message, { remedy: 'Grant s3:GetObjectTagging, or choose to ignore tags.' });
  }
}
