/** A folder as source and as target. */
import type {
  Description,
  Page,
  Parts,
  ReadRange,
  Reading,
  ScanRange,
  Source,
  SourceFacets,
  Target,
  TargetFacets,
  WriteBody,
  WriteOptions,
  Written,
} from '../../contract/provider.ts';
import { throwIfCancelled } from '../../lib/system.ts';
import type { Clock } from '../../lib/world.ts';
import { NO_PROPERTIES, type Entry } from '../../model/entry.ts';
import { pinnedEntry, statEntry } from './entries.ts';
import { fromErrno } from './errors.ts';
import { SOURCE_TRAITS, TARGET_FACTS, TARGET_TRAITS } from './manifest.ts';
import { shown } from './names.ts';
import { LocalParts } from './parts.ts';
import { readEntry } from './reading.ts';
import { refuseUnwritable } from './ready.ts';
import { removeEntry } from './removal.ts';
import type { Root } from './root.ts';
import { scanTree } from './scan.ts';
import { sweepRoot } from './sweep.ts';
import { writeEntry, type Writer } from './writing.ts';

class LocalLister {
  protected readonly root: Root;
  readonly #isAbsentFine: boolean;

  constructor(root: Root, isAbsentFine: boolean) {
    this.root = root;
    this.#isAbsentFine = isAbsentFine;
  }

  scan(range: ScanRange, signal: AbortSignal): AsyncIterable<Page> {
    return scanTree(this.root, range, this.#isAbsentFine, signal);
  }

  async stat(key: string, signal: AbortSignal): Promise<Entry | null> {
    throwIfCancelled(signal);
    try {
      return await statEntry(this.root, key);
    } catch (error) {
      throw fromErrno(error, `Looking at ${shown(key)}`, key);
    }
  }

  async describe(entry: Entry, signal: AbortSignal): Promise<Description> {
    throwIfCancelled(signal);
    try {
      return { entry: await pinnedEntry(this.root, entry), properties: NO_PROPERTIES };
    } catch (error) {
      throw fromErrno(error, `Looking at ${shown(entry.key)}`, entry.key);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Nothing is held open between calls.
  }
}

export class LocalSource extends LocalLister implements Source {
  readonly traits = SOURCE_TRAITS;
  readonly facets: SourceFacets = {};
  readonly #isThere: boolean;

  /** `isThere`: the folder of the prefix existed when the source was opened; if not, nothing begins with the prefix. */
  constructor(root: Root, isThere: boolean) {
    super(root, false);
    this.#isThere = isThere;
  }

  override scan(range: ScanRange, signal: AbortSignal): AsyncIterable<Page> {
    return this.#isThere ? super.scan(range, signal) : emptyListing(range);
  }

  read(entry: Entry, range: ReadRange, signal: AbortSignal): Promise<Reading> {
    return readEntry(this.root, entry, range, signal);
  }
}

async function* emptyListing(range: ScanRange): AsyncGenerator<Page> {
  yield { entries: [], cursor: range.resume, complete: true };
}

export class LocalTarget extends LocalLister implements Target {
  readonly traits = TARGET_TRAITS;
  readonly facts = TARGET_FACTS;
  readonly facets: TargetFacets & { readonly parts: Parts };
  readonly #writer: Writer;

  constructor(writer: Writer, clock: Clock) {
    super(writer.root, true);
    this.#writer = writer;
    this.facets = {
      parts: new LocalParts(writer, clock),
      removal: { remove: (entry, signal) => removeEntry(writer.root, entry, signal) },
    };
  }

  write(key: string, body: WriteBody, options: WriteOptions): Promise<Written> {
    return writeEntry(this.#writer, key, body, options);
  }

  ready(signal: AbortSignal): Promise<void> {
    return refuseUnwritable(this.#writer, signal);
  }

  sweep(options: { readonly keepUploads: boolean }, signal: AbortSignal): Promise<number> {
    return sweepRoot(this.#writer.root, this.#writer.runId, { ...options, signal });
  }
}
