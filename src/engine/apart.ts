/**
 * The last look before a run overwrites or deletes: whether source and target are one place after all, under two
 * addresses that nothing connects. Each worker of a run looks by itself, for names and mounts are its machine's own.
 */
import { probeBetween } from '../contract/places.ts';
import type { Lister, Source, Target, Traits, WriteOptions, Written } from '../contract/provider.ts';
import type { Random } from '../lib/world.ts';
import { DroverError, toDroverError } from '../model/errors.ts';
import { NO_PROPERTIES, type Entry } from '../model/entry.ts';
import { keyAfter } from '../model/key.ts';
import type { TransferDefinition } from './definition.ts';
import { lookAt } from './places.ts';

/** As providers name and fill theirs, so that what a killed process leaves is taken away in time. */
const PROBE_NAME = '.drover-probe-';
const PROBE_CONTENT = Buffer.from('drover probe', 'utf8');

const PROBE_OPTIONS: Omit<WriteOptions, 'signal'> = {
  properties: NO_PROPERTIES,
  digests: {},
  expect: { kind: 'any' },
  modifiedAtMs: null,
  recorded: null,
  storageClass: null,
  kind: 'object',
};

/**
 * The target, with PLACES_OVERLAP instead of the first harm. Before a mirror's first deletion, what is at the target is
 * looked for at the source; where both have an object of one size there, a new one that is written to the target
 * decides. Where that cannot be told, nothing is deleted. Where one place's path lies inside the other's, copies are
 * looked at in the same way, as far as that can be told.
 */
export function keepApart(target: Target, source: Source, definition: TransferDefinition, random: Random): Target {
  const { policy, source: from, target: to } = definition;
  const probe = probeBetween(from.place, to.place, false);
  const isBeside = from.only !== null && to.place.prefix.length > from.place.prefix.length;
  if (probe === null || isBeside || policy.dryRun || policy.mode === 'check') return target;
  const apartness = new Apartness(target, source, definition, probe, random);
  const isNested = from.place.prefix !== to.place.prefix;
  const { removal, parts, serverSideCopy } = target.facets;
  const isMirror = policy.mode === 'mirror';
  const watches = isNested && from.provider === to.provider;
  return {
    ...target,
    get traits() {
      return target.traits;
    },
    facets: {
      ...target.facets,
      ...(removal !== undefined &&
        isMirror && {
          removal: {
            remove: async (entry, signal) => {
              await apartness.beforeDeletion(entry.key, signal);
              return removal.remove(entry, signal);
            },
          },
        }),
      ...(parts !== undefined &&
        watches && {
          parts: {
            ...parts,
            complete: (upload, receipts, options) =>
              apartness.aroundWrite(upload.key, options.signal, () => parts.complete(upload, receipts, options)),
          },
        }),
      ...(serverSideCopy !== undefined &&
        watches && {
          serverSideCopy: {
            ...serverSideCopy,
            copy: (reference, key, sizeBytes, options) =>
              apartness.aroundWrite(key, options.signal, () => serverSideCopy.copy(reference, key, sizeBytes, options)),
          },
        }),
    },
    ...(watches && {
      write: (key, body, options) => apartness.aroundWrite(key, options.signal, () => target.write(key, body, options)),
    }),
  };
}

/** What is known so far, in this process. */
class Apartness {
  readonly #target: Target;
  readonly #source: Source;
  readonly #definition: TransferDefinition;
  readonly #probe: NonNullable<ReturnType<typeof probeBetween>>;
  readonly #random: Random;
  #isProved = false;
  #isDenied = false;
  #overlap: DroverError | null = null;
  #looking: Promise<void> | null = null;

  constructor(
    target: Target,
    source: Source,
    definition: TransferDefinition,
    probe: NonNullable<ReturnType<typeof probeBetween>>,
    random: Random,
  ) {
    this.#target = target;
    this.#source = source;
    this.#definition = definition;
    this.#probe = probe;
    this.#random = random;
  }

  async beforeDeletion(key: string, signal: AbortSignal): Promise<void> {
    if (this.#isProved) return;
    try {
      await this.#look(key, signal);
    } catch (thrown) {
      const error = toDroverError(thrown);
      if (error.code !== 'PERMISSION_DENIED' || signal.aborted) throw error;
      throw new DroverError(
        'PLACES_OVERLAP',
        `Nothing was deleted. Whether ${this.#names} are one place could not be told: ${error.message}`,
        {
          remedy:
            'Allow Drover to look at single objects of both sides (HEAD) and to write to the target, or choose merge.',
          cause: thrown,
        },
      );
    }
  }

  /** Right after it, too: what is new at the target is then seen at the source, before more follows. */
  async aroundWrite(key: string, signal: AbortSignal, write: () => Promise<Written>): Promise<Written> {
    if (this.#isProved) return write();
    await this.#lookIfAllowed(key, signal);
    const written = await write();
    await this.#lookIfAllowed(key, signal);
    return written;
  }

  /** What was denied once is not asked again with each copy. */
  async #lookIfAllowed(key: string, signal: AbortSignal): Promise<void> {
    try {
      await this.#look(key, signal, () => this.#isDenied);
    } catch (thrown) {
      const error = toDroverError(thrown);
      if (signal.aborted || error.code === 'PLACES_OVERLAP') throw error;
      this.#isDenied ||= error.code === 'PERMISSION_DENIED';
    }
  }

  /** One after the other: what the first one finds out is the answer to all. */
  async #look(key: string, signal: AbortSignal, isVain = (): boolean => false): Promise<void> {
    while (this.#looking !== null && !isVain()) await this.#looking.catch(() => undefined);
    if (this.#isProved || isVain()) return;
    if (this.#overlap !== null) throw this.#overlap;
    this.#looking = this.#lookNow(key, signal).finally(() => (this.#looking = null));
    await this.#looking;
  }

  /** PLACES_OVERLAP; returns without an answer when neither side has what could tell. */
  async #lookNow(key: string, signal: AbortSignal): Promise<void> {
    const { below, keyAt } = this.#probe;
    // Inside the target every object of the source would be seen; around it, every object of the target at the source.
    const own = below === '' ? null : await this.#anyOfSource(signal);
    if (below !== '' && own === null) return;
    const there = await lookedUp(this.#target, own === null ? key : below + own.key, signal);
    const here = own ?? (await lookedUp(this.#source, keyAt(key), signal));
    // Nor does a source that is gone have it.
    if (here === null) await lookAt(this.#source, signal);
    if (there === null && here === null) return;
    const mayBeOne = there !== null && here !== null && there.sizeBytes === here.sizeBytes;
    if (mayBeOne && (await this.#isSeenAtSource(signal))) {
      this.#overlap = new DroverError(
        'PLACES_OVERLAP',
        `${this.#names} are the same place, or one lies inside the other: what is written to the target shows up at the source.`,
      );
      throw this.#overlap;
    }
    this.#isProved = true;
  }

  async #anyOfSource(signal: AbortSignal): Promise<Entry | null> {
    for await (const { entries, complete } of this.#source.scan({ from: null, to: null, resume: null }, signal)) {
      const found = entries.find(({ kind }) => kind === 'object');
      // As it is now: the target is asked at the same moment.
      const now = found === undefined ? null : await lookedUp(this.#source, found.key, signal);
      if (now !== null) return now;
      if (complete) return null;
    }
    return null;
  }

  /** A name that nobody has had before. */
  async #isSeenAtSource(signal: AbortSignal): Promise<boolean> {
    const { below, keyAt } = this.#probe;
    const key = `${below}${PROBE_NAME}${Buffer.from(this.#random.bytes(8)).toString('hex')}`;
    try {
      await this.#target.write(
        key,
        { sizeBytes: PROBE_CONTENT.length, content: PROBE_CONTENT },
        { ...PROBE_OPTIONS, signal },
      );
      return (await lookedUp(this.#source, keyAt(key), signal)) !== null;
    } finally {
      await this.#remove(key);
    }
  }

  /** Also when the run was stopped meanwhile, or the answer to the write was lost. */
  async #remove(key: string): Promise<void> {
    const { signal } = new AbortController();
    try {
      const entry = await lookedUp(this.#target, key, signal);
      if (entry !== null) await this.#target.facets.removal?.remove(entry, signal);
    } catch {
      // Whoever tries this place out next takes it away.
    }
  }

  get #names(): string {
    const { source, target } = this.#definition;
    return `"${source.label}" and "${target.label}"`;
  }
}

/** Whoever may list below a path only is denied a look at what is not there; a listing of that one key is not. */
export async function lookedUp(
  lister: Lister & { readonly traits: Pick<Traits, 'seek'> },
  key: string,
  signal: AbortSignal,
): Promise<Entry | null> {
  try {
    return await lister.stat(key, signal);
  } catch (thrown) {
    if (toDroverError(thrown).code !== 'PERMISSION_DENIED' || lister.traits.seek !== 'key') throw thrown;
    for await (const page of lister.scan({ from: key, to: keyAfter(key), resume: null }, signal)) {
      const found = page.entries.find((entry) => entry.key === key);
      if (found !== undefined) return found;
      if (page.complete) return null;
    }
    throw thrown;
  }
}
