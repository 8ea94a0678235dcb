/** What may be written at a place and taken away from it, found out by doing it; what is written for it goes again. */
import type { CheckLine, CheckWish, Place } from '../../contract/provider.ts';
import { toDroverError, type DroverError } from '../../model/errors.ts';
import { granting, isAboutRights, line, objectsArn, refusal, trialsArn } from './check-lines.ts';
import type { ObjectCheck } from './check-objects.ts';
import { Trial } from './trial.ts';

const TAGGED = { 'x-amz-tagging': 'drover=probe' };

/** An object is written only where it can be taken away again; elsewhere an upload is begun, which nobody sees. */
export async function* writeLines(
  { client, random }: ObjectCheck,
  place: Place,
  wish: CheckWish,
  signal: AbortSignal,
): AsyncGenerator<CheckLine> {
  const arn = objectsArn(client, place);
  const trial = await Trial.at(client, random, place, signal);
  // The right is looked at before the object: one that is not there answers the question too.
  const refused = await trial.mayHide().then(
    () => null,
    (thrown: unknown) => deleteRefusal(arn, wish, thrown),
  );
  if (refused !== null) {
    yield* uploadLines(trial, arn, wish);
    yield refused;
    return;
  }
  const stays = staysLine(trial.key, trialsArn(client, place));
  // What stays once is not made to grow.
  if (trial.isStuck || !(await trial.clear())) {
    yield* uploadLines(trial, arn, wish);
    yield DELETABLE;
    yield stays;
    return;
  }
  let isGone = false;
  try {
    const untagged = wish.tags ? await failureOf(() => trial.put(TAGGED)) : null;
    const unwritten = wish.tags && untagged === null ? null : await failureOf(() => trial.put({}));
    if (unwritten !== null) {
      yield writeRefusal(arn, unwritten);
      return;
    }
    yield line('write', 'ok', 'Objects can be written.');
    if (wish.tags) yield tagsLine(arn, untagged);
    const isVersioned = trial.hasVersions;
    isGone = isVersioned && (await trial.clear());
    const unhidden = isGone ? null : await failureOf(() => trial.hide(signal));
    if (unhidden === null) yield DELETABLE;
    else {
      const answer = deleteRefusal(arn, wish, unhidden);
      yield { ...answer, message: `${answer.message} The probe "${trial.key}" remains.` };
    }
    if (isVersioned && !isGone) yield stays;
    isGone ||= unhidden === null;
  } finally {
    // Whoever stops listening half-way must not leave the probe behind.
    if (!isGone) await trial.leave();
  }
}

const DELETABLE = line('delete', 'ok', 'Objects can be deleted.');

/** What the store answers where it refuses. */
async function failureOf(trying: () => Promise<unknown>): Promise<DroverError | null> {
  try {
    await trying();
    return null;
  } catch (thrown) {
    return toDroverError(thrown);
  }
}

async function* uploadLines(trial: Trial, arn: string, wish: CheckWish): AsyncGenerator<CheckLine> {
  let isGone = true;
  const begin = async (headers: Record<string, string>) => {
    isGone = (await trial.begin(headers)) && isGone;
  };
  const unwritten = await failureOf(() => begin({}));
  if (unwritten !== null) {
    yield writeRefusal(arn, unwritten);
    return;
  }
  yield line('write', 'ok', 'Objects can be written.');
  if (wish.tags) yield tagsLine(arn, await failureOf(() => begin(TAGGED)));
  if (isGone) return;
  const message = `Uploads that were begun cannot be taken back: those of "${trial.key}" remain, and later those of runs that are stopped.`;
  const remedy = `Grant s3:AbortMultipartUpload on ${arn}, or end them by a rule of the bucket's life cycle.`;
  yield line('write', 'warning', message, { remedy });
}

function writeRefusal(arn: string, thrown: DroverError): CheckLine {
  return granting(refusal('write', 'Objects cannot be written', thrown), thrown, 's3:PutObject', arn);
}

function tagsLine(arn: string, thrown: DroverError | null): CheckLine {
  if (thrown === null) return line('tags', 'ok', 'Tags can be written.');
  const answer = refusal('tags', 'Tags cannot be written, so objects with tags would fail', thrown);
  const granted = granting(answer, thrown, 's3:PutObjectTagging', arn);
  return { ...granted, remedy: `${granted.remedy ?? ''} Or choose to ignore tags.`.trim() };
}

function deleteRefusal(arn: string, wish: CheckWish, thrown: unknown): CheckLine {
  const message = 'Objects cannot be deleted, so a mirror is not possible';
  const mirror = granting(refusal('delete', message, thrown), thrown, 's3:DeleteObject', arn);
  const error = toDroverError(thrown);
  if (wish.deletes || mirror.result !== 'refused' || !isAboutRights(error)) return mirror;
  return {
    ...mirror,
    result: 'warning',
    message: `Objects cannot be deleted: nothing is, in this mode, but small objects named .drover-probe-… may remain (${error.message})`,
  };
}

/** Of a bucket that keeps versions for good, as far as Drover is concerned. */
function staysLine(key: string, arn: string): CheckLine {
  const message = `The bucket keeps versions, and Drover may not remove those of its trials: a small one stays at "${key}", hidden behind a delete marker, and another one named .drover-probe-… each time a start tries out what the store honours.`;
  const remedy = `Grant s3:DeleteObjectVersion on ${arn}, or have a rule of the bucket's life cycle remove noncurrent versions; what Object Lock retains stays until its time is over.`;
  return line('fact', 'warning', message, { remedy });
}
