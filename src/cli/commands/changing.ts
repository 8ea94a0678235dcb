/** `mkbucket`, `rm`: changing a store by hand. */
import { lastingIdentity } from '../../contract/places.ts';
import type { Target } from '../../contract/provider.ts';
import { newRunId } from '../../engine/run-id.ts';
import { retryingTarget } from '../../engine/wrap.ts';
import type { Entry } from '../../model/entry.ts';
import { DroverError, toDroverError } from '../../model/errors.ts';
import { ZERO_COUNTERS, type Counters } from '../../model/outcome.ts';
import { defineEnd, namedPlace, openEnd, patiently, type NamedEnd } from '../ends.ts';
import { EXIT, type ExitCode } from '../exit.ts';
import { objectPlace } from '../place.ts';
import { countsOf } from '../requests.ts';
import type { CommandEnd, Session } from '../session.ts';
import { EMPTY_SUMMARY } from '../summary.ts';
import { shellWord, visible } from '../terminal.ts';
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
  const runId = newRunId(session.world);
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
  if (removed.items > 0) {
    await confirm(session, {
      isSaid: options.yes,
      what: `${amount} at ${visible(words)}`,
      command: `drover rm ${shellWord(words)}${options.recursive ? ' --recursive' : ''} --yes`,
    });
  }
  await using _lock = await (
    await session.state()
  ).lockTarget({
    ...lastingIdentity(await end.account.identify(where)),
    runId,
    label: (await defineEnd(end, where, null)).label,
  });
  session.phase = 'during';
  session.interim = { ...EMPTY_SUMMARY, counters: countersOf(removed.items, 0) };
  const done = only === null ? await removeAll(session, target) : await removeEach(session, target, [only]);
  await session.terminal.print(`Removed ${session.format.plural(done.removed, OBJECTS)} at ${visible(words)}.`);
  return endOf(session, end, removed.items, done.removed, done.failure);
}

export interface Question {
  /** On the command line. */
  readonly isSaid: boolean;
  /** What would be removed. */
  readonly what: string;
  /** The command that asks nothing. */
  readonly command: string;
}

/** GUARD_CONFIRM unless it was said on the command line, or a person says it now. */
export async function confirm(session: Session, { isSaid, what, command }: Question): Promise<void> {
  if (isSaid) return;
  const { prompt } = session.world;
  const { json } = session.terminal.options;
  const remedy = `To remove without being asked, add --yes: ${command}`;
  if (prompt === null || json) {
    const why = json ? 'with --json nobody is asked' : 'nobody can be asked here';
    throw new DroverError('GUARD_CONFIRM', `Nothing was removed: ${what} would go. That needs a yes, and ${why}.`, {
      remedy,
    });
  }
  const answer = await prompt.ask(`Remove ${what}? This cannot be undone. Type yes: `, false);
  if (answer.trim().toLowerCase() === 'yes') return;
  throw new DroverError('GUARD_CONFIRM', 'Nothing was removed, because the answer was not yes.', { remedy });
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
    add(result, await removeEach(session, target, [folder]));
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
  let fatal: DroverError | null = null;
  for (const [index, outcome] of outcomes.entries()) {
    if (outcome.status === 'fulfilled') {
      if (outcome.value === 'removed' && entries[index]?.isImplied !== true) result.removed += 1;
      continue;
    }
    const error = toDroverError(outcome.reason);
    if (error.policy.scope !== 'item') fatal ??= error;
    else {
      result.failure ??= error;
      const key = (entries[index] as Entry).key;
      await session.terminal.say(`Not removed: ${visible(key)}. ${visible(error.message)}`);
    }
  }
  const { scanned, deleted } = session.interim.counters.items;
  session.interim = { ...session.interim, counters: countersOf(scanned, deleted + result.removed) };
  if (fatal !== null) throw fatal;
  return result;
}

function countersOf(scanned: number, deleted: number): Counters {
  return { ...ZERO_COUNTERS, items: { ...ZERO_COUNTERS.items, scanned, deleted } };
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
      counters: countersOf(scanned, deleted),
      requests: countsOf(null, end.side),
      durationMs: session.elapsedMs,
      error:
        error === null ? null : { code: error.code, message: error.message, field: error.field, remedy: error.remedy },
    },
  };
}
