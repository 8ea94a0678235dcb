/**
 * Works on one leased segment: lists both sides, decides key by key, sends work to the lanes, and commits in key
 * order. Memory is bounded by pages and the window, whatever the number of objects.
 */
import type { Lister } from '../contract/provider.ts';
import { DroverError, toDroverError } from '../model/errors.ts';
import { asciiHead, compareKeys, keyAfter } from '../model/key.ts';
import type { Json } from '../model/json.ts';
import type { Counters } from '../model/outcome.ts';
import { chunkPrefix, ChunkWriter, type Settled } from './chunks.ts';
import type { RunContext } from './context.ts';
import { HoldBack } from './hold-back.ts';
import { planItem, planVersions, type ItemSituation, type Planned } from './item.ts';
import {
  COMMIT_EVERY_MS,
  SMALL_BYTES_MAX,
  SPLIT_PAGES_MIN,
  SPLIT_PAGES_MIN_FOR_OTHERS,
  WINDOW_ITEMS_MAX,
} from './limits.ts';
import { Merge, type Meeting } from './merge.ts';
import { LargeAhead } from './large-ahead.ts';
import type { Lease } from './ports.ts';
import { putOffAll, putOffMapped } from './put-off.ts';
import { SegmentSums } from './segment-sums.ts';
import { ArrayStream, listFrom, ListingStream, type EntryStream } from './scan.ts';
import { SnapshotReader } from './snapshot.ts';
import { isSortedMark, SORTED_MARK, sortedScan } from './sorted-scan.ts';
import { findCut } from './split.ts';
import { Window, type Slot } from './window.ts';

export class SegmentWork {
  readonly #context: RunContext;
  #lease: Lease;
  readonly #window: Window;
  readonly #writer: ChunkWriter;
  readonly #sums: SegmentSums;
  #source: EntryStream | null = null;
  #sourceListing: ListingStream | null = null;
  #target: EntryStream | null = null;
  #targetListing: ListingStream | null = null;
  #heldBack: HoldBack | null = null;
  #merge: Merge | null = null;
  #plannedKey: string | null = null;
  #failure: { readonly error: unknown } | null = null;
  #wake: (() => void) | null = null;
  #committing: Promise<void> | null = null;
  #committedAtMs: number;
  /** The planner waits at this key while the segment is cut there. */
  #barrier: Promise<void> | null = null;
  #isListed = false;
  #isSplitting = false;
  readonly #ahead: LargeAhead;
  /** Lines were lost on their way to a chunk: no later commit may claim what they stood for. */
  #isBroken = false;
  /** Work sent out, whatever becomes of it. */
  readonly #running = new Set<Promise<void>>();

  constructor(context: RunContext, lease: Lease) {
    this.#context = context;
    this.#lease = lease;
    this.#sums = new SegmentSums(lease.segment.counters, context.live.tally);
    this.#window = new Window(lease.segment.checkpoint?.settledKey ?? null);
    this.#writer = new ChunkWriter(context.world.artifacts, lease.segment.checkpoint?.nextChunk ?? 0);
    this.#ahead = new LargeAhead(context.largeAheadBytesMax);
    this.#committedAtMs = context.world.clock.monotonic();
  }

  /** `disordered`: nothing of it counts; the segment was reset and must be claimed again, with sorting. */
  async run(): Promise<'done' | 'disordered'> {
    const { live, world } = this.#context;
    live.segments.add(this);
    try {
      await this.#openStreams();
      await this.#plan();
      this.#isListed = true;
      live.unlistedSegments -= 1;
      await this.#drain();
      await this.#commit(true);
      return 'done';
    } catch (error) {
      live.segments.delete(this);
      await this.#committing?.catch(() => undefined);
      if (toDroverError(error).code !== 'LISTING_DISORDERED') throw error;
      await this.#settleAll();
      // A commit that came after the reset would bring back what must be forgotten.
      this.#isBroken = true;
      await this.#committing;
      if (this.#isListed) live.unlistedSegments += 1;
      this.#sums.takeBack();
      await world.store.release(await world.store.reset(this.#lease));
      return 'disordered';
    } finally {
      live.segments.delete(this);
      await this.#source?.close().catch(() => undefined);
      await this.#target?.close().catch(() => undefined);
    }
  }

  /** Keeps what is settled so far; the segment stays open for whoever continues. */
  async save(): Promise<void> {
    try {
      // What is being stopped still journals how far it came; only then is the segment anybody else's.
      await this.#settleAll();
      this.#advance();
      await this.#committing;
      if (!this.#isBroken) await this.#commit(false);
    } finally {
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
    const listing = this.#sourceListing;
    if (this.#isListed || this.#isSplitting || listing === null || listing.pages < pagesMin) return false;
    if (listing.isWhole && !isForOthers) return false;
    if (source.traits.seek !== 'key' || target.traits.seek !== 'key' || sorting.source || sorting.target) return false;
    return listing.reachedKey !== null;
  }

  /**
   * Cuts off the second half of what is still to be listed, as a segment of its own. For others also half of what was
   * listed and not planned: here it would only wait for the lanes of this process.
   */
  async trySplit(newSegmentId: string, isForOthers: boolean): Promise<boolean> {
    const listing = this.canSplit(isForOthers) ? this.#sourceListing : null;
    const reached = listing?.reachedKey ?? null;
    if (listing === null || reached === null) return false;
    let lift = (): void => undefined;
    this.#isSplitting = true;
    try {
      const { source, signal } = this.#context;
      const found = listing.isWhole ? null : await findCut(source, reached, this.#lease.segment.to, signal);
      // From here on the planner may not pass the cut: it stops before its next key until the cut is made or not.
      this.#barrier = new Promise((resolve) => (lift = resolve));
      const cut = found ?? (isForOthers ? asciiHead(listing.middleOfRest ?? '') : null);
      const isPassed =
        cut === null || cut === '' || (this.#plannedKey !== null && compareKeys(cut, this.#plannedKey) <= 0);
      if (isPassed || this.#isListed) return false;
      await this.#settleCommitting();
      this.#lease = await this.#context.world.store.split(this.#lease, cut, newSegmentId);
      this.#source?.limit(cut);
      this.#target?.limit(cut);
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

  async #openStreams(): Promise<void> {
    const { source, target, sorting, definition } = { ...this.#context, definition: this.#context.run.definition };
    const keepVersions = definition.policy.versions === 'all';
    const checkpoint = this.#lease.segment.checkpoint;
    // What an earlier process found out about a listing's order holds for this one: it settled by the sorted order.
    if (isSortedMark(checkpoint?.sourceCursor)) sorting.source = true;
    if (isSortedMark(checkpoint?.targetCursor)) sorting.target = true;
    const sourceStream = (this.#source = this.#streamOf(
      source,
      sorting.source,
      keepVersions,
      checkpoint?.sourceCursor ?? null,
      'source',
    ));
    this.#sourceListing = sourceStream instanceof ListingStream ? sourceStream : null;
    const { objectAndPrefix, caseSensitive } = this.#context.rules;
    if (!objectAndPrefix && caseSensitive && !keepVersions) {
      this.#heldBack = new HoldBack(sourceStream, (prefix) => this.#sourceHas(prefix));
      this.#source = this.#heldBack;
    }
    this.#target = this.#streamOf(target, sorting.target, false, checkpoint?.targetCursor ?? null, 'target');
    this.#targetListing = this.#target instanceof ListingStream ? this.#target : null;
  }

  #streamOf(
    lister: Lister & { readonly traits: { readonly order: string; readonly seek: string } },
    isSorting: boolean,
    keepRepeated: boolean,
    cursor: Json,
    side: 'source' | 'target',
  ): EntryStream {
    const { segment } = this.#lease;
    const settledKey = this.#window.settledKey;
    const { artifacts } = this.#context.world;
    if (isSorting || lister.traits.order === 'none') {
      const from = settledKey === null ? segment.from : keyAfter(settledKey);
      const prefix = `${chunkPrefix(segment.runId)}sorting/${segment.segmentId}-${this.#lease.epoch}-${side}/`;
      return new ArrayStream(
        sortedScan(lister, { from, to: segment.to }, { artifacts, prefix }, keepRepeated, this.#context.signal),
        segment.to,
      );
    }
    const resume = lister.traits.seek === 'key' ? null : cursor;
    const from = listFrom(segment.from, settledKey);
    return new ListingStream(lister, { from, to: segment.to, resume }, this.#context.signal, {
      repeatedKeys: keepRepeated ? 'keep' : 'drop',
      onDisorder: () => (this.#context.sorting[side] = true),
      after: settledKey,
    });
  }

  async #sourceHas(prefix: string): Promise<boolean> {
    const end = `${prefix.slice(0, -1)}0`;
    for await (const page of this.#context.source.scan({ from: prefix, to: end, resume: null }, this.#context.signal)) {
      if (page.entries.length > 0) return true;
      if (page.complete) return false;
    }
    throw new DroverError('LISTING_INCOMPLETE', 'A listing stopped without saying that it was complete.');
  }

  async #plan(): Promise<void> {
    const { segment } = this.#lease;
    const { policy, previous, world } = this.#context;
    const settledKey = this.#window.settledKey;
    const from = settledKey === null ? segment.from : keyAfter(settledKey);
    const rows = new SnapshotReader(world.artifacts, previous, 'keys', { from, to: segment.to });
    const isOneWay = policy.mode === 'merge' || (policy.mode === 'check' && policy.oneWay);
    // Where case does not count, a name behind the source's last one may be that of its first.
    const untilSourceEnds = isOneWay && this.#context.rules.caseSensitive;
    const hasVersions = policy.versions === 'all';
    const merge = (this.#merge = new Merge(this.#source as EntryStream, this.#target as EntryStream, rows, {
      untilSourceEnds,
      hasVersions,
    }));
    for (;;) {
      const meeting = merge.poll();
      if (meeting === undefined) {
        await merge.fill();
        continue;
      }
      if (meeting === null) return;
      while (this.#barrier !== null) await this.#barrier;
      // A cut may also have been made while the merge held this key and waited for more about it.
      if (this.#isPastEnd(meeting.key)) return;
      if (this.#failure !== null) throw this.#failure.error;
      this.#plannedKey = meeting.key;
      const slot = this.#window.open(meeting.key, meeting.target !== null);
      const planned = this.#planMeeting(meeting);
      if ('settled' in planned) this.#settle(slot, planned.settled);
      else await this.#send(slot, planned);
      while (this.#window.size >= WINDOW_ITEMS_MAX && this.#failure === null) await this.#settled();
    }
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
    live.pendingItems += 1;
    live.pendingBytes += planned.sizeBytes;
    const task: Promise<void> = planned
      .work()
      .then(
        (settled) => this.#settle(slot, settled),
        (error: unknown) => this.#fail(error),
      )
      .finally(() => {
        this.#running.delete(task);
        live.pendingItems -= 1;
        live.pendingBytes -= planned.sizeBytes;
        leave();
      });
    this.#running.add(task);
  }

  #planMeeting(meeting: Meeting): Planned {
    const { sources, target, previous, key } = meeting;
    if (!this.#context.rules.caseSensitive) return { settled: putOffAll(meeting, this.#context.rules) };
    if (sources.length > 1 || this.#context.policy.versions === 'all') return this.#planVersions(meeting);
    const source = sources[0] ?? null;
    const isBeside = this.#heldBack?.isAlsoPrefix(key) ?? false;
    if (isBeside) this.#heldBack?.forget(key);
    const later = putOffMapped({ key, source, target, isBeside }, this.#context.rules);
    if (later !== null) return { settled: later };
    return planItem(this.#context, { source, target, previous: previous[0] ?? null, targetKey: key });
  }

  #planVersions({ key, sources, target, previous }: Meeting): Planned {
    const situations: ItemSituation[] = sources.map((source) => {
      const row = previous.find((one) => one.source.versionId === source.identity.versionId) ?? null;
      return { source, target, previous: row, targetKey: key };
    });
    if (situations.length === 0) situations.push({ source: null, target, previous: null, targetKey: key });
    return planVersions(this.#context, situations);
  }

  #settle(slot: Slot, settled: Settled): void {
    slot.settled = settled;
    this.#sums.settle(settled.counters, slot.seesTarget);
    this.#advance();
    this.#wake?.();
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    // At once, not when the planner comes to look: somebody else may go on with this segment already.
    this.#context.stop(error);
    this.#wake?.();
  }

  /** Moves settled items to the writer. */
  #advance(): void {
    for (let next = this.#window.shift(); next !== null; next = this.#window.shift())
      this.#writer.add(next.settled, next.seesTarget);
    this.commitWhenDue();
  }

  get uncommitted(): Counters {
    return this.#sums.uncommitted;
  }

  commitWhenDue(): void {
    if (this.#committing !== null || this.#isBroken) return;
    const isDue = this.#context.world.clock.monotonic() - this.#committedAtMs >= COMMIT_EVERY_MS;
    if (this.#writer.isFull || (isDue && !this.#writer.isEmpty)) {
      this.#committing = this.#commit(false)
        .catch((error: unknown) => this.#fail(error))
        .finally(() => {
          this.#committing = null;
        });
    }
  }

  async #commit(done: boolean): Promise<void> {
    this.#committedAtMs = this.#context.world.clock.monotonic();
    const checkpoint = {
      settledKey: this.#window.settledKey,
      sourceCursor: this.#cursorOf(this.#sourceListing),
      targetCursor: this.#cursorOf(this.#targetListing),
    };
    try {
      const { names, counters, issues } = await this.#writer.flush(this.#lease);
      await this.#context.world.store.commit(this.#lease, {
        checkpoint: { ...checkpoint, nextChunk: this.#writer.nextChunk },
        addChunks: names,
        addCounters: counters,
        addIssues: issues,
        done,
      });
      this.#sums.commit(counters);
    } catch (error) {
      this.#isBroken = true;
      throw error;
    }
  }

  /** A cursor is safe only when nothing taken after it is unsettled; otherwise the listing starts at its beginning. */
  #cursorOf(listing: ListingStream | null): Json {
    if (listing === null) return SORTED_MARK;
    const isSafe = this.#window.size === 0 && this.#heldBack === null && this.#merge?.isBetweenKeys === true;
    return isSafe ? listing.takenCursor : null;
  }

  async #drain(): Promise<void> {
    while (this.#window.size > 0 && this.#failure === null) await this.#settled();
    if (this.#failure !== null) throw this.#failure.error;
    await this.#settleCommitting();
  }

  /** Waits for work already sent out, whatever becomes of it. */
  async #settleAll(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  async #settleCommitting(): Promise<void> {
    await this.#committing;
    if (this.#failure !== null) throw this.#failure.error;
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
