/**
 * Uploads in parts that outlive this process. The intent is journaled before an upload is begun, its receipts while it
 * goes on; a continued run picks both up, and whatever is left over at the end is aborted. Only uploads of exactly the
 * journaled key, begun after the intent, by us, are ever touched.
 */
import type { FoundUpload, PartReceipt, Parts, Upload, WriteOptions } from '../contract/provider.ts';
import type { Clock, Random } from '../lib/world.ts';
import type { Entry } from '../model/entry.ts';
import type { Json } from '../model/json.ts';
import { DroverError, toDroverError, type ErrorCode } from '../model/errors.ts';
import { BEGIN_LATE_MS, RECEIPTS_SAVED_AT_ONCE, RECEIPT_SAVING_MS } from './limits.ts';
import type { PartDigests } from './part-digests.ts';
import { isWithin } from '../model/key.ts';
import type { Intent, RunStore, SegmentRecord } from './ports.ts';
import { canonicalJson } from './transfer-id.ts';

/** What an intent says about an upload that was begun. */
interface UploadRecord {
  readonly upload: Upload;
  readonly partBytes: number;
  readonly source: string;
  readonly receipts: readonly PartReceipt[];
  readonly received: readonly PartDigests[];
}

/** What an intent says before its upload is begun. */
interface UnbegunRecord {
  /** Those of the same key that are not ours. */
  readonly foreign?: readonly Json[];
  /** As whom it is begun. */
  readonly by?: Json;
}

export interface UploadPlan {
  readonly key: string;
  readonly source: Entry;
  readonly sizeBytes: number;
  readonly partBytes: number;
  readonly options: WriteOptions;
}

export interface OpenUpload {
  readonly intentId: string;
  readonly upload: Upload;
  /** Parts that arrived and were proved, by index. */
  readonly receipts: Map<number, PartReceipt>;
  /** Digests of the same parts as they came from the source: an earlier process's work proves as much as this one's. */
  readonly received: Map<number, PartDigests>;
}

/**
 * What becomes of an intent of which no upload is found. Whoever journaled it may hang right before it begins, and a
 * request that was cut off may still be on its way: found nowhere now, its upload may be there in a moment, and whoever
 * forgets the intent forgets that upload. `kept`: others look after it when the run is over and everybody has left.
 * `awaited`: nobody else does, so a sweep waits until no request can be on its way any more. `over`: that time has passed.
 */
export type Unbegun = 'kept' | 'awaited' | 'over';

/** Where intents are kept. */
export type UploadJournal = Pick<RunStore, 'intents' | 'saveIntent' | 'dropIntent' | 'othersIntents'>;

export class UploadBook {
  readonly #store: UploadJournal;
  readonly #runId: string;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #unbegun: Unbegun;
  /** Left by an earlier process or another worker, by target key. */
  readonly #inherited = new Map<string, Intent>();
  /** Journaled here and not closed. */
  readonly #own = new Set<string>();
  readonly #savedAtMs = new Map<string, number>();
  /** Uploads of which receipts are being saved; true where more have come since. */
  readonly #saving = new Map<string, boolean>();

  constructor(store: UploadJournal, runId: string, clock: Clock, random: Random, unbegun: Unbegun) {
    this.#store = store;
    this.#runId = runId;
    this.#clock = clock;
    this.#random = random;
    this.#unbegun = unbegun;
  }

  /**
   * Looks for what whoever had this segment before left open: it is continued or ended when its key comes up. Only keys
   * of this segment; others may be in the hands of workers that live.
   */
  async inherit({ kind, from, to }: Pick<SegmentRecord, 'kind' | 'from' | 'to'>): Promise<void> {
    const intents = await this.#store.intents(this.#runId);
    const journaled = new Set(intents.map(({ intentId }) => intentId));
    for (const [key, { intentId }] of this.#inherited) if (!journaled.has(intentId)) this.#inherited.delete(key);
    for (const intent of intents) {
      if (this.#own.has(intent.intentId)) continue;
      // Pieces of later phases know no keys. What is another piece's is not touched: its key never comes up in this one.
      if (kind !== 'keys' || isWithin(intent.targetKey, from, to)) this.#bequeath(intent);
    }
  }

  /** Of several of one key the upload that goes on; the others are ended with the run. */
  #bequeath(intent: Intent): void {
    const known = this.#inherited.get(intent.targetKey);
    if (known === undefined || hasBegun(intent) || !hasBegun(known)) this.#inherited.set(intent.targetKey, intent);
  }

  /** Continues the upload of an earlier process where it fits the plan, else aborts that one and begins anew. */
  async open(parts: Parts, plan: UploadPlan): Promise<OpenUpload> {
    const inherited = this.#inherited.get(plan.key);
    if (inherited !== undefined) {
      this.#inherited.delete(plan.key);
      const continued = await this.#continue(parts, plan, inherited);
      if (continued !== null) {
        this.#own.add(continued.intentId);
        return continued;
      }
      await this.#abandon(parts, inherited, plan.options.signal);
    }
    return this.#begin(parts, plan);
  }

  /** Remembers what arrived. Parts that come together are saved together, very many not each time. */
  async saveReceipts(plan: UploadPlan, open: OpenUpload): Promise<void> {
    const { intentId, receipts } = open;
    if (this.#saving.has(intentId)) {
      this.#saving.set(intentId, true);
      return;
    }
    const savedAtMs = this.#savedAtMs.get(intentId) ?? Number.NEGATIVE_INFINITY;
    const restMs = Math.max(0, receipts.size - RECEIPTS_SAVED_AT_ONCE) * RECEIPT_SAVING_MS;
    if (this.#clock.monotonic() - savedAtMs < restMs) return;
    try {
      do {
        this.#saving.set(intentId, false);
        await this.#save(plan, intentId, open);
      } while (this.#saving.get(intentId) === true);
    } finally {
      this.#saving.delete(intentId);
      this.#savedAtMs.set(intentId, this.#clock.monotonic());
    }
  }

  /** Remembers what arrived, now: this process stops and another one goes on. */
  async keep(plan: UploadPlan, open: OpenUpload): Promise<void> {
    this.#own.delete(open.intentId);
    const reason: unknown = plan.options.signal.reason;
    // Another worker went on already: it knows more about this upload, or has closed it.
    if (reason instanceof DroverError && reason.code === 'LEASE_LOST') return;
    await this.#save(plan, open.intentId, open);
  }

  /** The object is complete: nothing of it is open any more. */
  async close(open: OpenUpload): Promise<void> {
    this.#savedAtMs.delete(open.intentId);
    this.#own.delete(open.intentId);
    await this.#store.dropIntent(this.#runId, open.intentId);
  }

  /** The object failed: nothing of it may stay behind. */
  async abort(parts: Parts, open: OpenUpload, signal: AbortSignal): Promise<void> {
    await parts.abort(open.upload, signal);
    await this.close(open);
  }

  /** Ends what is journaled still, from this process and others: nobody works on any of it any more. */
  async sweep(parts: Parts | null, signal: AbortSignal): Promise<void> {
    this.#inherited.clear();
    this.#own.clear();
    const intents = await this.#store.intents(this.#runId);
    const waits = this.#unbegun === 'awaited';
    const restMs = Math.max(0, ...intents.map((intent) => this.#doubtMs(intent)));
    if (waits && restMs > 0) await this.#clock.sleep(restMs, signal);
    for (const intent of intents) {
      if (parts !== null) await this.#abandon(parts, intent, signal, { isCertain: waits, isOver: true });
      else await this.#store.dropIntent(this.#runId, intent.intentId);
    }
  }

  async #continue(parts: Parts, plan: UploadPlan, intent: Intent): Promise<OpenUpload | null> {
    const record = begunOf(intent);
    if (record === null || record.partBytes !== plan.partBytes || record.source !== sourceMark(plan.source))
      return null;
    try {
      const arrived = new Map(
        (await parts.list(record.upload, plan.options.signal)).map((receipt) => [receipt.index, receipt]),
      );
      const receipts = new Map<number, PartReceipt>();
      for (const receipt of record.receipts) {
        if (arrived.get(receipt.index)?.sizeBytes === receipt.sizeBytes) receipts.set(receipt.index, receipt);
      }
      const received = new Map(
        record.received.filter(({ index }) => receipts.has(index)).map((one) => [one.index, one]),
      );
      return { intentId: intent.intentId, upload: record.upload, receipts, received };
    } catch (error) {
      if (toDroverError(error).code === 'UPLOAD_LOST') return null;
      throw error;
    }
  }

  async #begin(parts: Parts, plan: UploadPlan): Promise<OpenUpload> {
    const intentId = Buffer.from(this.#random.bytes(10)).toString('hex');
    const upload = await this.#knownBefore(parts, plan);
    const startedAtMs = this.#clock.now();
    const intent: Intent = { runId: this.#runId, intentId, targetKey: plan.key, startedAtMs, upload };
    this.#own.add(intentId);
    await this.#store.saveIntent(intent);
    let begun: Upload;
    try {
      begun = await parts.begin(plan.key, plan.sizeBytes, plan.partBytes, plan.options);
    } catch (error) {
      this.#own.delete(intentId);
      // What can be found of it is ended at once; the journal keeps what may still be begun.
      const { signal } = plan.options;
      if (!signal.aborted)
        await this.#abandon(parts, intent, signal, { isCertain: isRefusal(error) }).catch(() => undefined);
      throw error;
    }
    const open: OpenUpload = { intentId, upload: begun, receipts: new Map(), received: new Map() };
    try {
      await this.#save(plan, intentId, open);
    } catch (error) {
      this.#own.delete(intentId);
      // The run has ended meanwhile, or the journal is away: only this process knows this upload by its name.
      await this.#discard(parts, open);
      throw error;
    }
    return open;
  }

  /** The work may have been told to stop: this is what has to be done all the same. */
  async #discard(parts: Parts, open: OpenUpload): Promise<void> {
    await this.abort(parts, open, new AbortController().signal).catch(() => undefined);
  }

  async #save(plan: UploadPlan, intentId: string, { upload, receipts, received }: OpenUpload): Promise<void> {
    const record: UploadRecord = {
      upload,
      partBytes: plan.partBytes,
      source: sourceMark(plan.source),
      receipts: [...receipts.values()],
      received: [...received.values()],
    };
    await this.#store.saveIntent({
      runId: this.#runId,
      intentId,
      targetKey: plan.key,
      startedAtMs: upload.startedAtMs,
      upload: record as unknown as Json,
    });
  }

  /** `null` where the store itself tells whose an upload is, and we are the same to it everywhere. */
  async #knownBefore(parts: Parts, plan: UploadPlan): Promise<Json> {
    const foreign = parts.limits.tellsInitiator === false ? await this.#foreignBefore(parts, plan) : null;
    const by = (await parts.initiator?.(plan.options.signal)) ?? null;
    if (foreign === null && by === null) return null;
    return { ...(foreign !== null && { foreign }), ...(by !== null && { by }) };
  }

  async #foreignBefore(parts: Parts, { key, options }: UploadPlan): Promise<Json[] | null> {
    try {
      const before = await parts.find(key, this.#clock.now(), options.signal);
      return before.map(({ token }) => token);
    } catch (error) {
      if (options.signal.aborted || toDroverError(error).policy.retry !== 'never') throw error;
      // Who may not look still may write; whatever is found later, by one who may, is nobody's.
      return null;
    }
  }

  /** `isCertain`: what is not there now will not be begun any more. `isOver`: nobody works on that key any more. */
  async #abandon(
    parts: Parts,
    intent: Intent,
    signal: AbortSignal,
    { isCertain = false, isOver = false } = {},
  ): Promise<void> {
    const record = begunOf(intent);
    const uploads: readonly FoundUpload[] | null =
      record !== null ? [record.upload] : await this.#findOwn(parts, intent, signal, isOver);
    for (const upload of uploads ?? []) if (upload.isUnsure !== true) await parts.abort(upload, signal);
    // It may be somebody else's: the journal keeps the question.
    if (uploads === null || uploads.some(({ isUnsure }) => isUnsure)) return;
    if (isCertain || !this.#mayStillBegin(intent)) await this.#store.dropIntent(this.#runId, intent.intentId);
  }

  #mayStillBegin(intent: Intent): boolean {
    if (this.#unbegun === 'kept') return !hasBegun(intent);
    return this.#unbegun === 'awaited' && this.#doubtMs(intent) > 0;
  }

  /** How long a request to begin that upload may still be on its way, also where the clock was set back. */
  #doubtMs(intent: Intent): number {
    if (hasBegun(intent)) return 0;
    return Math.min(BEGIN_LATE_MS, intent.startedAtMs + BEGIN_LATE_MS - this.#clock.now());
  }

  /**
   * `null`: what was found may be another run's, or that of another worker who has not journaled its name yet; nobody
   * knows. It holds no parts before its name is journaled, so that it may as well wait
   * for the end of the run.
   */
  async #findOwn(
    parts: Parts,
    intent: Intent,
    signal: AbortSignal,
    isOver: boolean,
  ): Promise<readonly FoundUpload[] | null> {
    const record = intent.upload as unknown as UnbegunRecord | null;
    const foreign = new Set((record?.foreign ?? []).map(canonicalJson));
    const found = await parts.find(intent.targetKey, intent.startedAtMs, signal, record?.by);
    const rest = found.filter(({ token }) => !foreign.has(canonicalJson(token)));
    if (rest.length === 0) return rest;
    if (parts.limits.tellsInitiator === false && record?.foreign === undefined) return null;
    // Asked after the upload was found: every run journals before it begins one.
    const others = ((await this.#store.othersIntents?.(this.#runId, intent.targetKey)) ?? []).map(begunOf);
    if (others.includes(null)) return null;
    // Of this run, what another intent names is looked after by that one: somebody may be at work on it.
    const own = (await this.#store.intents(this.#runId)).filter(({ intentId }) => intentId !== intent.intentId);
    if (!isOver && own.some((one) => one.targetKey === intent.targetKey && !hasBegun(one))) return null;
    const named = [...others, ...own.map(begunOf)].flatMap((one) => (one === null ? [] : [one.upload.token]));
    const spared = new Set(named.map(canonicalJson));
    return rest.filter(({ token }) => !spared.has(canonicalJson(token)));
  }
}

/** Of failures that come after a request was sent, those that leave open what the store did with it. */
const UNANSWERED: readonly ErrorCode[] = ['CANCELLED', 'INTERNAL', 'LEASE_LOST'];

/** The store has said that it did not begin it. */
function isRefusal(error: unknown): boolean {
  const { code, policy } = toDroverError(error);
  if (policy.retry === 'soon') return code === 'CREDENTIALS_EXPIRED';
  return !UNANSWERED.includes(code);
}

/** An upload of it is known to exist, or to have existed. */
export function hasBegun(intent: Intent): boolean {
  return begunOf(intent) !== null;
}

/** `null`: begun or not, nobody knows. */
function begunOf(intent: Intent): UploadRecord | null {
  const record = intent.upload as unknown as UploadRecord | UnbegunRecord | null;
  return record !== null && 'upload' in record ? record : null;
}

/** Parts of one object may come from one state of it only. */
function sourceMark(source: Entry): string {
  if (source.identity.etag === null && source.identity.versionId === null) {
    throw new DroverError('INTERNAL', `The source names no state of ${JSON.stringify(source.key)} to hold on to.`, {
      key: source.key,
    });
  }
  return `${source.identity.etag}|${source.identity.versionId}|${source.sizeBytes}`;
}
