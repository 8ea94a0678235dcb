/** `mkbucket`, `rm`: changing a store by hand. */
import type { Target } from '../../contract/provider.ts';
import { retryingTarget } from '../../engine/wrap.ts';
import type { Entry } from '../../model/entry.ts';
import { DroverError, toDroverError } from '../../model/errors.ts';
import { ZERO_COUNTERS } from '../../model/outcome.ts';
import { defineEnd, namedPlace, openEnd, patiently, type NamedEnd } from '../ends.ts';
import { EXIT, type ExitCode } from '../exit.ts';
import { objectPlace } from '../place.ts';
import { countsOf } from '../requests.ts';
import { newRunId } from '../run-id.ts';
import type { CommandEnd, Session } from '../session.ts';
import { EMPTY_SUMMARY } from '../summary.ts';
import { visible } from '../terminal.ts';
import { OBJECTS } from '../texts.ts';
import { entriesOfLister } from './listing.ts';

/** Removals in flight; each is one request. */
const REMOVALS_AT_ONCE = 16;

export interface RemoveOptions {
  readonly recursive: boolean;
  readonly yes: boolean;
  readonly dryRun: boolean;
}

export async function makeBucket(session: Session, words: string): Promise<CommandEnd> {
  const end = await openEnd(session, words);
  await using _account = end.account;
  const place = namedPlace(end);
  if (end.text.kind === 'remote' && end.text.path !== '') {
    const word = end.connector.provider.manifest.containerWord;
    throw new DroverError('USAGE', `"${words}" is more than a ${word}. Folders in it need not be made.`, {
      remedy: `Write ${end.text.connector}:${end.text.container}`,
    });
  }
  const result = await end.account.makeContainer(place.container, session.signal);
  await session.terminal.print(result === 'made' ? `Made ${visible(words)}.` : `${visible(words)} was there already.`);
  return {
    exit: EXIT.FINE,
    summary: { ...EMPTY_SUMMARY, requests: countsOf(null, end.side), durationMs: session.elapsedMs },
  };
}

/** One object; with `recursive` everything below the place, and never the bucket itself. GUARD_CONFIRM without a yes. */
export async function remove(session: Session, words: string, options: RemoveOptions): Promise<CommandEnd> {
  const end = await openEnd(session, words);
  await using _account = end.account;
  const place = namedPlace(end);
  const single = options.recursive ? null : singleOf(end);
  if (single === null && !options.recursive) {
    throw new DroverError('USAGE', `"${words}" is not one object.`, {
      remedy: 'Add --recursive to remove everything in it.',
    });
  }
  const runId = newRunId(session.world.clock, session.world.random);
  const where = single?.place ?? place;
  const opened = await patiently(session, () => end.account.target(where, { facts: null, runId }, session.signal));
  const target = retryingTarget(opened, session.world);
  await using _target = target;
  const only = single === null ? null : await onlyEntry(session, end, target, single.key);
  const removed = only === null ? await measured(session, target) : { items: 1, bytes: only.sizeBytes };
  if (removed.items === 0 && place.prefix !== '') {
    throw new DroverError('SOURCE_NOT_FOUND', `Nothing is below "${words}".`);
  }
  const amount = `${session.format.plural(removed.items, OBJECTS)} (${session.format.bytes(removed.bytes)})`;
  if (options.dryRun) {
    await session.terminal.print(`Would remove ${amount} at ${visible(words)}. Nothing was changed.`);
    return endOf(session, end, removed.items, 0, null);
  }
  if (removed.items > 0)
    await confirm(session, options.yes, `Remove ${amount} at ${visible(words)}? This cannot be undone.`);
  await using _lock = await (
    await session.state()
  ).lockTarget({ fingerprint: end.account.fingerprint, ...where, runId, label: defineEnd(end, where, null).label });
  const done = only === null ? await removeAll(session, target) : await removeEach(session, target, [only]);
  await session.terminal.print(`Removed ${session.format.plural(done.removed, OBJECTS)} at ${visible(words)}.`);
  return endOf(session, end, removed.items, done.removed, done.failure);
}

/** GUARD_CONFIRM unless it was said on the command line, or a person says it now. */
export async function confirm(session: Session, isSaid: boolean, question: string): Promise<void> {
  if (isSaid) return;
  const { prompt } = session.world;
  if (prompt === null || session.terminal.options.json) {
    throw new DroverError('GUARD_CONFIRM', 'Nothing was removed: this needs a yes, and nobody can be asked here.', {
      remedy: 'Say so explicitly with --yes.',
    });
  }
  const answer = await prompt.ask(`${question} Type yes: `, false);
  if (answer.trim().toLowerCase() === 'yes') return;
  throw new DroverError('GUARD_CONFIRM', 'Nothing was removed, because the answer was not yes.', { remedy: '' });
}

function singleOf(end: NamedEnd): { place: { container: string; prefix: string }; key: string } | null {
  const place = namedPlace(end);
  if (end.text.kind === 'remote') return objectPlace(place.container, end.text.path);
  const at = place.container.lastIndexOf('/') + 1;
  const key = place.container.slice(at);
  return key === '' ? null : { place: { container: place.container.slice(0, Math.max(1, at - 1)), prefix: '' }, key };
}

async function onlyEntry(session: Session, end: NamedEnd, target: Target, key: string): Promise<Entry> {
  const entry = await target.stat(key, session.signal);
  if (entry !== null && entry.kind !== 'folder') return entry;
  throw new DroverError('SOURCE_NOT_FOUND', `There is no object "${end.text.text}".`, {
    remedy: 'To remove everything below it, add --recursive.',
  });
}

async function measured(session: Session, target: Target): Promise<{ items: number; bytes: number }> {
  const sum = { items: 0, bytes: 0 };
  for await (const entry of entriesOfLister(target, session.signal)) {
    sum.items += 1;
    sum.bytes += entry.sizeBytes;
  }
  return sum;
}

interface Removed {
  removed: number;
  failure: DroverError | null;
}

/** Folders last and innermost first: what is not empty cannot go. */
async function removeAll(session: Session, target: Target): Promise<Removed> {
  const folders: Entry[] = [];
  const result: Removed = { removed: 0, failure: null };
  let batch: Entry[] = [];
  const flush = async (): Promise<void> => {
    add(result, await removeEach(session, target, batch));
    batch = [];
  };
  for await (const page of target.scan({ from: null, to: null, resume: null }, session.signal)) {
    for (const entry of page.entries) {
      if (entry.kind === 'folder') folders.push(entry);
      else batch.push(entry);
      if (batch.length >= REMOVALS_AT_ONCE) await flush();
    }
  }
  await flush();
  for (const folder of folders.toReversed()) {
    const outcome = await removeEach(session, target, [folder]);
    add(result, folder.isImplied ? { ...outcome, removed: 0 } : outcome);
  }
  return result;
}

function add(sum: Removed, more: Removed): void {
  sum.removed += more.removed;
  sum.failure ??= more.failure;
}

async function removeEach(session: Session, target: Target, entries: readonly Entry[]): Promise<Removed> {
  const { removal } = target.facets;
  if (removal === undefined) throw new DroverError('UNSUPPORTED', 'Nothing can be removed from this store.');
  const outcomes = await Promise.allSettled(entries.map(async (entry) => removal.remove(entry, session.signal)));
  const result: Removed = { removed: 0, failure: null };
  for (const [index, outcome] of outcomes.entries()) {
    if (outcome.status === 'fulfilled') result.removed += outcome.value === 'removed' ? 1 : 0;
    else {
      const error = toDroverError(outcome.reason);
      if (error.policy.scope !== 'item') throw error;
      result.failure ??= error;
      const key = (entries[index] as Entry).key;
      await session.terminal.say(`Not removed: ${visible(key)}. ${visible(error.message)}`);
    }
  }
  return result;
}

function endOf(
  session: Session,
  end: NamedEnd,
  scanned: number,
  deleted: number,
  error: DroverError | null,
): CommandEnd {
  const exit: ExitCode = error === null ? EXIT.FINE : EXIT.ITEMS_FAILED;
  return {
    exit,
    summary: {
      ...EMPTY_SUMMARY,
      state: error === null ? 'succeeded' : 'completed-with-issues',
      counters: { ...ZERO_COUNTERS, items: { ...ZERO_COUNTERS.items, scanned, deleted } },
      requests: countsOf(null, end.side),
      durationMs: session.elapsedMs,
      error:
        error === null ? null : { code: error.code, message: error.message, field: error.field, remedy: error.remedy },
    },
  };
}
