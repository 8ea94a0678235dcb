/** What may be done with the objects of a place, found out by doing it; what is written for it goes again. */
import type { CheckLine, CheckWish, Place } from '../../contract/provider.ts';
import type { Random } from '../../lib/world.ts';
import { childText } from '../../lib/xml.ts';
import { toDroverError } from '../../model/errors.ts';
import type { Entry } from '../../model/entry.ts';
import { granting, isAboutRights, line, objectsArn, refusal } from './check-lines.ts';
import type { S3Client } from './client.ts';
import { encryptionOfRead, encryptionOfWrite } from './encryption.ts';
import { Objects } from './objects.ts';
import { PROBE_CONTENT as CONTENT } from './old-probes.ts';

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
export async function headLine(parts: ObjectCheck, place: Place, signal: AbortSignal): Promise<CheckLine> {
  const { client } = parts;
  const key = place.prefix + probeName(parts);
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

function probeName({ random }: ObjectCheck): string {
  return `.drover-probe-${Buffer.from(random.bytes(8)).toString('hex')}`;
}

/** What is written there for trying; each rejects as the store refuses. */
interface Probe {
  readonly key: string;
  readonly arn: string;
  put(headers: Record<string, string>): Promise<unknown>;
  /** Of an upload that nobody sees; the upload goes again. False where it could not. */
  begin(headers: Record<string, string>): Promise<boolean>;
  remove(stop: AbortSignal): Promise<unknown>;
}

function probeAt(parts: ObjectCheck, place: Place, signal: AbortSignal): Probe {
  const { client } = parts;
  const on = { bucket: place.container, key: place.prefix + probeName(parts) };
  return {
    key: on.key,
    arn: objectsArn(client, place),
    put: (headers) =>
      client.run({
        ...on,
        method: 'PUT',
        headers: { ...encryptionOfWrite(client.settings), ...headers },
        body: { sizeBytes: CONTENT.length, content: CONTENT },
        operation: 'PUT',
        signal,
      }),
    async begin(headers) {
      const begun = await client.document({
        ...on,
        method: 'POST',
        query: [['uploads', '']],
        headers: { ...encryptionOfWrite(client.settings), ...headers },
        operation: 'BEGIN',
        signal,
      });
      const uploadId = childText(begun.root, 'UploadId') ?? '';
      const end = { ...on, method: 'DELETE', query: [['uploadId', uploadId]], operation: 'ABORT' } as const;
      return client.run({ ...end, signal: new AbortController().signal }).then(
        () => true,
        () => false,
      );
    },
    remove: (stop) => client.run({ ...on, method: 'DELETE', operation: 'DELETE', signal: stop }),
  };
}

/** An object is written only where it can be taken away again; elsewhere an upload is begun, which nobody sees. */
export async function* writeLines(
  parts: ObjectCheck,
  place: Place,
  wish: CheckWish,
  signal: AbortSignal,
): AsyncGenerator<CheckLine> {
  const probe = probeAt(parts, place, signal);
  // The right is looked at before the object: one that is not there answers the question too.
  const refused = await probe.remove(signal).then(
    () => null,
    (thrown: unknown) => deleteRefusal(probe, wish, thrown),
  );
  if (refused !== null) {
    yield* uploadLines(probe, wish);
    yield refused;
    return;
  }
  try {
    await probe.put({});
  } catch (thrown) {
    yield writeRefusal(probe, thrown);
    return;
  }
  let isRemoved = false;
  try {
    yield line('write', 'ok', 'Objects can be written.');
    if (wish.tags) yield await writtenTags(probe, async () => probe.put({ 'x-amz-tagging': 'drover=probe' }));
    yield await probe.remove(signal).then(
      () => {
        isRemoved = true;
        return line('delete', 'ok', 'Objects can be deleted.');
      },
      (thrown: unknown) => {
        const answer = deleteRefusal(probe, wish, thrown);
        return { ...answer, message: `${answer.message} The probe "${probe.key}" remains.` };
      },
    );
  } finally {
    // Whoever stops listening half-way must not leave the probe behind.
    if (!isRemoved) await probe.remove(new AbortController().signal).catch(() => undefined);
  }
}

async function* uploadLines(probe: Probe, wish: CheckWish): AsyncGenerator<CheckLine> {
  let isGone: boolean;
  try {
    isGone = await probe.begin({});
  } catch (thrown) {
    yield writeRefusal(probe, thrown);
    return;
  }
  yield line('write', 'ok', 'Objects can be written.');
  if (wish.tags) {
    yield await writtenTags(probe, async () => {
      isGone = (await probe.begin({ 'x-amz-tagging': 'drover=probe' })) && isGone;
    });
  }
  if (isGone) return;
  const message = `Uploads that were begun cannot be taken back: those of "${probe.key}" remain, and later those of runs that are stopped.`;
  const remedy = `Grant s3:AbortMultipartUpload on ${probe.arn}, or end them by a rule of the bucket's life cycle.`;
  yield line('write', 'warning', message, { remedy });
}

function writeRefusal({ arn }: Probe, thrown: unknown): CheckLine {
  return granting(refusal('write', 'Objects cannot be written', thrown), thrown, 's3:PutObject', arn);
}

async function writtenTags({ arn }: Probe, write: () => Promise<unknown>): Promise<CheckLine> {
  try {
    await write();
    return line('tags', 'ok', 'Tags can be written.');
  } catch (thrown) {
    const answer = refusal('tags', 'Tags cannot be written, so objects with tags would fail', thrown);
    const granted = granting(answer, thrown, 's3:PutObjectTagging', arn);
    return { ...granted, remedy: `${granted.remedy ?? ''} Or choose to ignore tags.`.trim() };
  }
}

function deleteRefusal({ arn }: Probe, wish: CheckWish, thrown: unknown): CheckLine {
  const mirror = granting(
    refusal('delete', 'Objects cannot be deleted, so a mirror is not possible', thrown),
    thrown,
    's3:DeleteObject',
    arn,
  );
  if (wish.deletes || mirror.result !== 'refused' || !isAboutRights(toDroverError(thrown))) return mirror;
  const message = `Objects cannot be deleted: nothing is, in this mode, but small objects named .drover-probe-… may remain (${toDroverError(thrown).message})`;
  return { ...mirror, result: 'warning', message };
}
