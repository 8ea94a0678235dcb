/** Uploads in parts: each part goes to its place in one file of Drover's own, with a journal beside it. */
import { constants, type BigIntStats } from 'node:fs';
import { open, opendir, unlink, type FileHandle } from 'node:fs/promises';
import type {
  PartLimits,
  PartReceipt,
  Parts,
  Upload,
  WriteBody,
  WriteOptions,
  Written,
} from '../../contract/provider.ts';
import { crc64Combine } from '../../lib/crc64.ts';
import { digestOf } from '../../lib/hash.ts';
import { throwIfCancelled } from '../../lib/system.ts';
import type { Clock } from '../../lib/world.ts';
import type { Digests } from '../../model/digest.ts';
import { DroverError } from '../../model/errors.ts';
import type { Json } from '../../model/json.ts';
import { checkableKinds, DEFAULT_DIGEST, pour, refuseOtherDigests } from './content.ts';
import { fileEntry, lstatOrNull, nameOf, parentOrNull } from './entries.ts';
import { fromErrno, isAbsent } from './errors.ts';
import { appendPart, appendVoid, readJournal, writeHead, type Journal, type JournaledPart } from './journal.ts';
import { parseOwnName, refuseKey, shown } from './names.ts';
import { giveName, keepRights, makeOwnFile, refuseUnexpected } from './placing.ts';
import type { Folder, Parent } from './root.ts';
import { refuseStorageClass, setTime, type Writer } from './writing.ts';

/** How far clocks may have moved between two processes of one run. */
const SKEW_MS = 15 * 60 * 1000;

const PART_LIMITS: PartLimits = {
  partBytesMin: 1,
  partBytesMax: 5 * 1024 ** 3,
  partsMax: 10_000,
  objectBytesMax: 10_000 * 5 * 1024 ** 3,
  // A part's place in the file is its index times the size of a part.
  equalParts: true,
};

interface Token {
  readonly part: string;
  readonly journal: string;
  readonly file: string;
  readonly born: string;
  readonly sizeBytes: number;
  readonly partBytes: number;
}

export class LocalParts implements Parts {
  readonly limits = PART_LIMITS;
  readonly #writer: Writer;
  readonly #clock: Clock;

  constructor(writer: Writer, clock: Clock) {
    this.#writer = writer;
    this.#clock = clock;
  }

  async begin(key: string, sizeBytes: number, partBytes: number, options: WriteOptions): Promise<Upload> {
    throwIfCancelled(options.signal);
    refuseKey(key, 'object');
    refuseStorageClass(options);
    const { root, runId, random } = this.#writer;
    return await this.#doing('Beginning', key, async () => {
      await using parent = await root.madeParent(key);
      const { folder, name } = parent;
      const before = await refuseUnexpected(folder, name, key, options.expect);
      const made: string[] = [];
      try {
        const part = await makeOwnFile(folder, runId, random, 'part');
        made.push(part.name);
        await using handle = part.handle;
        await keepRights(handle, before);
        const stats = await handle.stat({ bigint: true });
        const [file, born] = [fileOf(stats), String(stats.birthtimeNs)];
        const journal = await makeOwnFile(folder, runId, random, 'journal');
        made.push(journal.name);
        await using journalHandle = journal.handle;
        const startedAtMs = this.#clock.now();
        await writeHead(journalHandle, { key, startedAtMs, sizeBytes, partBytes, part: part.name, file, born });
        await folder.sync();
        throwIfCancelled(options.signal);
        const token: Token = { part: part.name, journal: journal.name, file, born, sizeBytes, partBytes };
        return { key, startedAtMs, token: { ...token } };
      } catch (error) {
        for (const madeName of made) await unlink(folder.child(madeName)).catch(() => undefined);
        throw error;
      }
    });
  }

  async find(key: string, sinceMs: number, signal: AbortSignal): Promise<readonly Upload[]> {
    throwIfCancelled(signal);
    return await this.#doing('Looking for uploads of', key, async () => {
      await using parent = await parentOrNull(this.#writer.root, key);
      if (parent === null) return [];
      const uploads: Upload[] = [];
      for await (const child of await opendir(parent.folder.path, { encoding: 'buffer' as BufferEncoding })) {
        throwIfCancelled(signal);
        const name = nameOf(child);
        const own = parseOwnName(name);
        if (own === null || own.ending !== 'journal' || own.runId !== this.#writer.runId) continue;
        const journal = await readJournal(parent.folder.child(name));
        if (journal === null) continue;
        const { head } = journal;
        const { part, file, born } = head;
        if (head.key !== key || head.startedAtMs < sinceMs - SKEW_MS || parseOwnName(part) === null) continue;
        const token: Token = { part, journal: name, file, born, sizeBytes: head.sizeBytes, partBytes: head.partBytes };
        uploads.push({ key, startedAtMs: head.startedAtMs, token: { ...token } });
      }
      return uploads;
    });
  }

  async put(
    upload: Upload,
    index: number,
    body: WriteBody,
    digests: Digests,
    signal: AbortSignal,
  ): Promise<PartReceipt> {
    throwIfCancelled(signal);
    const token = tokenOf(upload);
    refuseOtherSize(upload.key, token, index, body.sizeBytes);
    return await this.#doing(`Writing part ${index} of`, upload.key, async () => {
      await using parent = await this.#parentOf(upload);
      const journalPath = parent.folder.child(token.journal);
      await using handle = await this.#openContent(parent.folder, upload);
      const journal = await this.#journalOf(parent.folder, upload);
      if (journal.parts.has(index)) await appendVoid(journalPath, index);
      const kinds = new Set([DEFAULT_DIGEST, ...checkableKinds(digests)]);
      const into = { handle, offset: index * token.partBytes, key: upload.key };
      const proved = await pour(body, [...kinds], into, signal);
      refuseOtherDigests(digests, proved, upload.key);
      await handle.datasync();
      throwIfCancelled(signal);
      const part = { index, sizeBytes: body.sizeBytes, crc64nvme: proved[DEFAULT_DIGEST] as string };
      await appendPart(journalPath, part);
      return { ...receiptOf(part), proved };
    });
  }

  async list(upload: Upload, signal: AbortSignal): Promise<readonly PartReceipt[]> {
    throwIfCancelled(signal);
    return await this.#doing('Listing the parts of', upload.key, async () => {
      await using parent = await this.#parentOf(upload);
      if ((await lstatOrNull(parent.folder, tokenOf(upload).part)) === null) throw lost(upload);
      const journal = await this.#journalOf(parent.folder, upload);
      return [...journal.parts.values()].map(receiptOf).toSorted((a, b) => a.index - b.index);
    });
  }

  async complete(upload: Upload, receipts: readonly PartReceipt[], options: WriteOptions): Promise<Written> {
    throwIfCancelled(options.signal);
    const { key } = upload;
    const token = tokenOf(upload);
    return await this.#doing('Completing', key, async () => {
      await using parent = await this.#parentOf(upload);
      const { folder, name } = parent;
      const placed = await lstatOrNull(folder, name);
      if (placed !== null && isPlaced(placed, token)) {
        // An earlier try gave the file its name already, and was cut off before it could say so.
        await this.#removeFiles(folder, token);
        return writtenOf(key, placed, combined(receipts));
      }
      await using handle = await this.#openContent(folder, upload);
      const journal = await this.#journalOf(folder, upload);
      refuseIncomplete(key, token, receipts, journal);
      const proved = combined(receipts);
      refuseOtherDigests(options.digests, proved, key);
      await this.#refuseOtherLength(handle, key, token);
      await setTime(handle, options.modifiedAtMs);
      await handle.datasync();
      throwIfCancelled(options.signal);
      await giveName(folder, token.part, name, key, options.expect);
      const stats = await handle.stat({ bigint: true });
      await this.#removeFiles(folder, token);
      return writtenOf(key, stats, proved);
    });
  }

  async abort(upload: Upload, signal: AbortSignal): Promise<void> {
    throwIfCancelled(signal);
    await this.#doing('Aborting', upload.key, async () => {
      await using parent = await parentOrNull(this.#writer.root, upload.key);
      if (parent === null) return;
      await this.#removeFiles(parent.folder, tokenOf(upload));
      await parent.folder.sync();
    });
  }

  /** The content first: a journal without content is a lost upload, content without a journal would be nobody's. */
  async #removeFiles(folder: Folder, token: Token): Promise<void> {
    for (const name of [token.part, token.journal]) {
      try {
        await unlink(folder.child(name));
      } catch (error) {
        if (!isAbsent(error)) throw error;
      }
    }
  }

  async #parentOf(upload: Upload): Promise<Parent> {
    const parent = await parentOrNull(this.#writer.root, upload.key);
    if (parent === null) throw lost(upload);
    return parent;
  }

  async #openContent(folder: Folder, upload: Upload): Promise<FileHandle> {
    const token = tokenOf(upload);
    let handle: FileHandle;
    try {
      handle = await open(folder.child(token.part), constants.O_RDWR | constants.O_NOFOLLOW);
    } catch (error) {
      if (isAbsent(error)) throw lost(upload);
      throw error;
    }
    if (fileOf(await handle.stat({ bigint: true })) === token.file) return handle;
    await handle.close();
    throw lost(upload);
  }

  async #journalOf(folder: Folder, upload: Upload): Promise<Journal> {
    const journal = await readJournal(folder.child(tokenOf(upload).journal));
    if (journal === null) throw lost(upload);
    return journal;
  }

  async #refuseOtherLength(handle: FileHandle, key: string, token: Token): Promise<void> {
    const { size } = await handle.stat({ bigint: true });
    if (Number(size) === token.sizeBytes) return;
    const code = Number(size) < token.sizeBytes ? 'EARLY_END' : 'EXTRA_BYTES';
    throw new DroverError(code, `The parts of ${shown(key)} have ${size} bytes instead of ${token.sizeBytes}.`, {
      key,
    });
  }

  async #doing<T>(verb: string, key: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw fromErrno(error, `${verb} ${shown(key)}`, key);
    }
  }
}

function partCountOf(token: Token): number {
  return Math.max(1, Math.ceil(token.sizeBytes / token.partBytes));
}

function refuseOtherSize(key: string, token: Token, index: number, sizeBytes: number): void {
  const offset = index * token.partBytes;
  const plannedBytes = Math.min(token.partBytes, token.sizeBytes - offset);
  if (index >= 0 && index < partCountOf(token) && sizeBytes === plannedBytes) return;
  const words = `Part ${index} of ${shown(key)} has ${sizeBytes} bytes, which does not fit its plan.`;
  throw new DroverError('INVALID_INPUT', words, { key });
}

function refuseIncomplete(key: string, token: Token, receipts: readonly PartReceipt[], journal: Journal): void {
  const given = new Map(receipts.map((receipt) => [receipt.index, receipt]));
  const partCount = token.sizeBytes === 0 ? given.size : partCountOf(token);
  for (let index = 0; index < partCount; index++) {
    const part = journal.parts.get(index);
    const receipt = given.get(index);
    if (part === undefined || receipt === undefined) {
      throw new DroverError('EARLY_END', `Part ${index} of ${shown(key)} did not arrive.`, { key });
    }
    if (receipt.proved[DEFAULT_DIGEST] !== part.crc64nvme) {
      throw new DroverError('CHANGED', `Part ${index} of ${shown(key)} was sent again with other bytes.`, { key });
    }
  }
}

function combined(receipts: readonly PartReceipt[]): Digests {
  let whole = digestOf(DEFAULT_DIGEST, new Uint8Array(0));
  for (const { proved, sizeBytes } of receipts.toSorted((a, b) => a.index - b.index)) {
    const part = proved[DEFAULT_DIGEST];
    if (part === undefined) return {};
    whole = crc64Combine(whole, part, sizeBytes);
  }
  return { [DEFAULT_DIGEST]: whole };
}

function receiptOf({ index, sizeBytes, crc64nvme }: JournaledPart): PartReceipt {
  return { index, sizeBytes, token: crc64nvme, proved: { [DEFAULT_DIGEST]: crc64nvme } };
}

function writtenOf(key: string, stats: BigIntStats, proved: Digests): Written {
  return { entry: fileEntry(key, stats), proved, composite: null, losses: [] };
}

/** Whether what bears the object's name is the very file that the parts went to. */
function isPlaced(stats: BigIntStats, token: Token): boolean {
  const isSameFile = fileOf(stats) === token.file && String(stats.birthtimeNs) === token.born;
  return isSameFile && Number(stats.size) === token.sizeBytes;
}

function fileOf(stats: BigIntStats): string {
  return `${stats.dev}-${stats.ino}`;
}

function lost(upload: Upload): DroverError {
  return new DroverError('UPLOAD_LOST', `The unfinished upload of ${shown(upload.key)} is gone.`, { key: upload.key });
}

/** INVALID_INPUT unless a folder gave this token: its names must not lead anywhere else. */
function tokenOf(upload: Upload): Token {
  const token = upload.token as Readonly<Record<string, Json>> | null;
  const { part, journal, file, born, sizeBytes, partBytes } = (typeof token === 'object' ? token : null) ?? {};
  const isOurs =
    typeof part === 'string' &&
    parseOwnName(part)?.ending === 'part' &&
    typeof journal === 'string' &&
    parseOwnName(journal)?.ending === 'journal' &&
    typeof file === 'string' &&
    typeof born === 'string' &&
    typeof sizeBytes === 'number' &&
    typeof partBytes === 'number';
  if (isOurs) return { part, journal, file, born, sizeBytes, partBytes };
  throw new DroverError('INVALID_INPUT', 'The upload is not one that a folder began.', { key: upload.key });
}
