/**
 * Works on one leased segment: lists both sides, decides key by key, sends work to the lanes, and commits in key
 * order. Memory is bounded by pages and the window, whatever the number of objects.
 */
import { toDroverError } from '../model/errors.ts';
import type { Entry } from '../model/entry.ts';
import { asciiHead, compareKeys, keyAfter } from '../model/key.ts';
import type { Json } from '../model/json.ts';
import { joinSettled } from './account.ts';
import type { Settled } from './chunks.ts';
import type { RunContext } from './context.ts';
import type { SegmentProgress } from './definition.ts';
import { knownVersion } from './decide.ts';
import { planItem, type ItemSituation, type Planned } from './item.ts';
import { SMALL_BYTES_MAX, SPLIT_PAGES_MIN, SPLIT_PAGES_MIN_FOR_OTHERS, WINDOW_ITEMS_MAX } from './limits.ts';
import { Merge, type Meeting } from './merge.ts';
import { LargeAhead } from './large-ahead.ts';
import { Ledger } from './ledger.ts';
import type { Lease } from './ports.ts';
import { putOffAll, putOffMapped } from './put-off.ts';
import type { ListingStream } from './scan.ts';
import { openStreams, type SegmentStreams } from './segment-streams.ts';
import { SnapshotReader } from './snapshot.ts';
import { SORTED_MARK } from './sorted-scan.ts';
import { findCut, middleOf, type Cut } from './split.ts';
import { isUnread, keepingExtra, looksForExtras, putOffUnread, unreadBefore, UnreadNames } from './unread.ts';
import { Unrecorded } from './unrecorded.ts';
import { planVersions } from './versions.ts';
import type { Slot } from './window.ts';

const NO_ENTRIES: readonly Entry[] = [];

/** Everything that is left has come. */
const NOT_LOOKED_FOR: Cut = { key: null, all: null };

export class SegmentWork {
  readonly #context: RunContext;
  readonly #ledger: Ledger;
  #streams: SegmentStreams | null = null;
  #merge: Merge | null = null;
  #plannedKey: string | null = null;
  #failure: { readonly error: unknown } | null = null;
  #wake: (() => void) | null = null;
  /** The planner waits at this key while the segment is cut there. */
  #barrier: Promise<void> | null = null;
  #isListed = false;
  #pendingItems = 0;
  #pendingBytes = 0;
  #isSplitting = false;
  readonly #unrecorded: Unrecorded;
  readonly #ahead: LargeAhead;
  #unread = new UnreadNames();
  /** Work sent out, whatever becomes of it. */
  readonly #running = new Set<Promise<void>>();

  constructor(context: RunContext, lease: Lease) {
    this.#context = context;
    this.#unrecorded = new Unrecorded(context, lease);
    this.#ahead = new LargeAhead(context.largeAheadBytesMax);
    this.#ledger = new Ledger(context, lease, {
      cursors: () => this.#cursors(),
      onFailure: (error) => this.#fail(error),
    });
  }

  /** `disordered`: nothing of it counts; the segment was reset and must be claimed again, with sorting. */
  async run(): Promise<'done' | 'disordered'> {
    const { live, world } = this.#context;
    live.segments.add(this);
    try {
      await this.#ledger.begin();
      live.held.add(this);
      this.#streams = openStreams(this.#context, this.#lease);
      await this.#plan(this.#streams);
      this.#isListed = true;
      live.unlistedSegments -= 1;
      await this.#drain();
      await this.#ledger.finish();
      live.held.delete(this);
      return 'done';
    } catch (error) {
      live.segments.delete(this);
      await this.#ledger.quiet();
      if (toDroverError(error).code !== 'LISTING_DISORDERED') throw error;
      await this.#settleAll();
      // A commit that came after the reset would bring back what must be forgotten.
      this.#ledger.break();
      await this.#ledger.quiet();
      if (this.#isListed) live.unlistedSegments += 1;
      this.#ledger.takeBack();
      live.held.delete(this);
      await world.store.release(await world.store.reset(this.#lease));
      return 'disordered';
    } finally {
      live.segments.delete(this);
      await this.#streams?.source.close().catch(() => undefined);
      await this.#streams?.target.close().catch(() => undefined);
    }
  }

  /** Keeps what is settled so far; the segment stays open for whoever continues. */
  async save(): Promise<void> {
    try {
      // What is being stopped still journals how far it came; only then is the segment anybody else's.
      await this.#settleAll();
      await this.#ledger.save();
    } finally {
      this.#context.live.held.delete(this);
      await this.#context.world.store.release(this.#lease);
    }
  }

  get isListed(): boolean {
    return this.#isListed;
  }

  /** There may be a second half to cut off; looking for the cut costs a few listings. */
  canSplit(isForOthers: boolean): boolean {
    const pagesMin = isForOthers ? SPLIT_PAGES_MIN_FOR_OTHERS : SPLIT_PAGES_MIN;
    const { source, target, sorting } = this.#context;
    const listing = this.#streams?.sourceListing ?? null;
    if (this.#isListed || this.#isSplitting || listing === null || listing.pages < pagesMin) return false;
    if (listing.isWhole && !isForOthers) return false;
    if (source.traits.seek !== 'key' || target.traits.seek !== 'key' || sorting.source || sorting.target) return false;
    return listing.reachedKey !== null;
  }

  /**
   * Cuts off the second half of what is left, as a segment of its own: of what is still to be listed, and for others
   * also of what was listed and not planned, which here would only wait for the lanes of this process.
   */
  async trySplit(newSegmentId: string, isForOthers: boolean): Promise<boolean> {
    const listing = this.canSplit(isForOthers) ? (this.#streams?.sourceListing ?? null) : null;
    const reached = listing?.reachedKey ?? null;
    if (listing === null || reached === null) return false;
    let lift = (): void => undefined;
    this.#isSplitting = true;
    try {
      const { source, signal, previous } = this.#context;
      const left = this.#ledger.lastLeftKey;
      const after = left !== null && compareKeys(left, reached) > 0 ? left : reached;
      const { to } = this.#lease.segment;
      const found = listing.isWhole ? NOT_LOOKED_FOR : await findCut({ source, after, to, previous, signal });
      // From here on the planner may not pass the cut: it stops before its next key until the cut is made or not.
      this.#barrier = new Promise((resolve) => (lift = resolve));
      const cut = this.#cutOf(found, listing, isForOthers);
      if (cut === null || this.#isListed) return false;
      await this.#ledger.quiet();
      this.#rethrow();
      this.#ledger.lease = await this.#context.world.store.split(this.#lease, cut, newSegmentId);
      this.#streams?.source.limit(cut);
      this.#streams?.target.limit(cut);
      this.#context.live.unlistedSegments += 1;
      return true;
    } catch (error) {
      // A cut whose answer did not come may have been made: nothing is planned any more that may lie beyond it.
      this.#fail(error);
      throw error;
    } finally {
      this.#barrier = null;
      this.#isSplitting = false;
      lift();
    }
  }

  /** Where everything is known that is left, the middle of it; else what was found by looking here and there. */
  #cutOf({ key, all }: Cut, listing: ListingStream, isForOthers: boolean): string | null {
    const { rest, reachedKey } = listing;
    const isAhead = (one: Entry): boolean => reachedKey === null || compareKeys(one.key, reachedKey) > 0;
    const left = [...(isForOthers ? rest : []), ...(listing.isWhole ? [] : (all ?? []).filter(isAhead))];
    const middle = middleOf(left.filter((one) => !this.#isPassed(one.key)));
    const isAllKnown = listing.isWhole || all !== null;
    // So little is not worth a segment.
    if (isAllKnown && middle === null) return null;
    const inMiddle = asciiHead(middle ?? '');
    const cuts = isAllKnown ? [inMiddle, key ?? ''] : [key ?? '', inMiddle];
    return cuts.find((cut) => cut !== '' && !this.#isPassed(cut)) ?? null;
  }

  /** What is planned, or was settled by an earlier holder, stays in this segment. */
  #isPassed(cut: string): boolean {
    return [this.#plannedKey, this.#ledger.lastLeftKey].some((key) => key !== null && compareKeys(cut, key) <= 0);
  }

  async #plan({ source, target, heldBack }: SegmentStreams): Promise<void> {
    const { segment } = this.#lease;
    const { policy, previous, world } = this.#context;
    const { settledKey } = this.#ledger;
    const from = settledKey === null ? segment.from : keyAfter(settledKey);
    if (looksForExtras(policy)) this.#unread = await unreadBefore(this.#context.source, from, this.#context.signal);
    const rows = new SnapshotReader(world.artifacts, previous, 'keys', { from, to: segment.to });
    const isOneWay = policy.mode === 'merge' || (policy.mode === 'check' && policy.oneWay);
    // Where case does not count, a name behind the source's last one may be that of its first.
    const untilSourceEnds = isOneWay && this.#context.rules.caseSensitive;
    const hasVersions = policy.versions === 'all';
    const merge = (this.#merge = new Merge(source, target, rows, { untilSourceEnds, hasVersions }));
    for (;;) {
      const meeting = merge.poll();
      if (meeting === undefined) {
        await merge.fill();
        continue;
      }
      if (meeting === null) break;
      while (this.#barrier !== null) await this.#barrier;
      // A cut may also have been made while the merge held this key and waited for more about it.
      if (this.#isPastEnd(meeting.key)) break;
      this.#rethrow();
      this.#plannedKey = meeting.key;
      // Also of what an earlier holder settled: it speaks for keys that come now.
      for (const entry of this.#unreadOf(meeting)) this.#unread.see(entry);
      if (this.#ledger.resume(meeting.key)) {
        heldBack?.forget(meeting.key);
        continue;
      }
      const slot = this.#ledger.open(meeting.key, meeting.target !== null);
      const planned = this.#planMeeting(meeting);
      if ('settled' in planned) this.#settle(slot, planned.settled);
      else await this.#send(slot, planned);
      while (this.#ledger.size >= WINDOW_ITEMS_MAX && this.#failure === null) await this.#settled();
    }
    this.#ledger.resume(null);
  }

  #isPastEnd(key: string): boolean {
    const { to } = this.#lease.segment;
    return to !== null && compareKeys(key, to) >= 0;
  }

  async #send(slot: Slot, planned: Extract<Planned, { work: unknown }>): Promise<void> {
    const isSmall = planned.sizeBytes <= SMALL_BYTES_MAX;
    while (!isSmall && this.#ahead.isFull && this.#failure === null) await this.#settled();
    const leave = isSmall
      ? await this.#context.smallGate.enter(this.#context.signal)
      : this.#ahead.enter(planned.sizeBytes);
    const { live } = this.#context;
    const count = (times: 1 | -1): void => {
      this.#pendingItems += times;
      this.#pendingBytes += times * planned.sizeBytes;
      live.pendingItems += times;
      live.pendingBytes += times * planned.sizeBytes;
    };
    count(1);
    const task: Promise<void> = planned
      .work()
      .then(
        (settled) => this.#settle(slot, settled),
        (error: unknown) => this.#fail(error),
      )
      .finally(() => {
        this.#running.delete(task);
        count(-1);
        leave();
      });
    this.#running.add(task);
  }

  #unreadOf({ sources }: Meeting): readonly Entry[] {
    const { source, policy } = this.#context;
    if (source.traits.unread === undefined || !looksForExtras(policy)) return NO_ENTRIES;
    return sources.filter((entry) => isUnread(source, entry));
  }

  #planMeeting(meeting: Meeting): Planned {
    const { sources, target, key } = meeting;
    const planned = this.#planKey(meeting);
    if (sources.length === 0 && target !== null) return keepingExtra(planned, target, this.#unread.above(key));
    const markers = this.#unreadOf(meeting).map((entry) => putOffUnread(entry, this.#context.rules));
    return markers.length > 0 && 'settled' in planned
      ? { settled: joinSettled([planned.settled, ...markers]) }
      : planned;
  }

  #planKey(meeting: Meeting): Planned {
    const { sources, target, previous, key } = meeting;
    if (!this.#context.rules.caseSensitive) return { settled: putOffAll(meeting, this.#context.rules) };
    if (sources.length > 1 || this.#context.policy.versions === 'all') return this.#planVersions(meeting);
    const source = sources[0] ?? null;
    const heldBack = this.#streams?.heldBack;
    const isBeside = heldBack?.isAlsoPrefix(key) ?? false;
    if (isBeside) heldBack?.forget(key);
    const later = putOffMapped({ key, source, target, isBeside }, this.#context.rules);
    if (later !== null) return { settled: later };
    const mayBeUnrecorded = this.#unrecorded.takeNext();
    return planItem(this.#context, { source, target, previous: previous[0] ?? null, targetKey: key, mayBeUnrecorded });
  }

  #planVersions({ key, sources, target, previous }: Meeting): Planned {
    const mayBeUnrecorded = this.#unrecorded.takeNext();
    const situations: ItemSituation[] = sources.map((source) => {
      return { source, target, previous: knownVersion(previous, source), targetKey: key, mayBeUnrecorded };
    });
    if (situations.length === 0) situations.push({ source: null, target, previous: null, targetKey: key });
    return planVersions(this.#context, situations);
  }

  #settle(slot: Slot, settled: Settled): void {
    this.#ledger.settle(slot, settled);
    this.#wake?.();
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    // At once, not when the planner comes to look: somebody else may go on with this segment already.
    this.#context.stop(error);
    this.#wake?.();
  }

  #rethrow(): void {
    if (this.#failure !== null) throw this.#failure.error;
  }

  get #lease(): Lease {
    return this.#ledger.lease;
  }

  get progress(): SegmentProgress {
    const { segment, epoch } = this.#lease;
    return {
      segmentId: segment.segmentId,
      epoch,
      counters: this.#ledger.counted,
      pendingItems: this.#pendingItems,
      pendingBytes: this.#pendingBytes,
      isListed: this.#isListed,
    };
  }

  commitWhenDue(): void {
    this.#ledger.commitWhenDue();
  }

  /** A cursor is safe only when nothing taken after it is unsettled; otherwise the listing starts at its beginning. */
  #cursors(): { readonly sourceCursor: Json; readonly targetCursor: Json } {
    const { checkpoint } = this.#lease.segment;
    if (this.#streams === null)
      return { sourceCursor: checkpoint?.sourceCursor ?? null, targetCursor: checkpoint?.targetCursor ?? null };
    const { sourceListing, targetListing, heldBack } = this.#streams;
    const isSafe = this.#ledger.size === 0 && heldBack === null && this.#merge?.isBetweenKeys === true;
    const cursorOf = (listing: ListingStream | null): Json => {
      if (listing === null) return SORTED_MARK;
      return isSafe ? listing.takenCursor : null;
    };
    return { sourceCursor: cursorOf(sourceListing), targetCursor: cursorOf(targetListing) };
  }

  async #drain(): Promise<void> {
    while (this.#ledger.size > 0 && this.#failure === null) await this.#settled();
    this.#rethrow();
    await this.#ledger.quiet();
    this.#rethrow();
  }

  /** Waits for work already sent out, whatever becomes of it. */
  async #settleAll(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  #settled(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = null;
        resolve();
      };
      if (this.#failure !== null) this.#wake();
    });
  }
}
