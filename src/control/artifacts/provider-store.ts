/** Named immutable chunks as objects of a bucket or container, so that workers on many machines see the same ones. */
import { createHash } from 'node:crypto';
import { parseConfig, secretValues } from '../../contract/config.ts';
import { environmentNames, fromEnvironment } from '../../contract/config-environment.ts';
import type { Account, Context, Place, Provider, Source, Target } from '../../contract/provider.ts';
import type { ArtifactStore } from '../../engine/ports.ts';
import { hushed } from '../../lib/hushed-transport.ts';
import { retrying } from '../../lib/retry.ts';
import type { Clock, Random } from '../../lib/world.ts';
import { NO_PROPERTIES, type Entry } from '../../model/entry.ts';
import { DroverError } from '../../model/errors.ts';
import { prefixEnd } from '../../model/key.ts';
import { type ArtifactAddress, NAME_SEGMENT } from './address.ts';

const NAME_CHARACTERS_MAX = 1024;
const ATTEMPTS_MAX = 6;
const REMOVED_AT_ONCE = 8;
const VARIABLES = 'DROVER_ARTIFACTS';

/**
 * Signs in at the first use: with `DROVER_ARTIFACTS_…` (`DROVER_ARTIFACTS_ENDPOINT`) where set, else as the provider
 * finds it in its environment. INVALID_INPUT at `artifacts` for fields that do not fit.
 */
export function openArtifactPlace(
  { place, config }: ArtifactAddress,
  provider: Provider,
  context: Context,
): ProviderArtifactStore {
  refuseUnknown(provider, context.environment);
  const told = fromEnvironment(VARIABLES, provider.account, context.environment);
  const parsed = parseConfig(provider.account, { ...told, ...config });
  if (parsed.problems !== undefined) {
    const [first] = parsed.problems;
    throw new DroverError('INVALID_INPUT', `The artifact store cannot be signed in to: ${first?.message ?? ''}`, {
      field: 'artifacts',
      remedy: `Set the fields of the ${provider.manifest.title} connector as ${VARIABLES}_… in the environment.`,
    });
  }
  // The store may explain a refusal with what it was sent.
  const openTransport = hushed(context.openTransport, secretValues(provider.account, parsed.config));
  return new ProviderArtifactStore(() => provider.open(parsed.config, { ...context, openTransport }), place, context);
}

/** A misspelled variable would sign in elsewhere, or as somebody else. */
function refuseUnknown(provider: Provider, environment: Context['environment']): void {
  const known = new Set(environmentNames(VARIABLES, provider.account).values());
  for (const [variable, value] of Object.entries(environment)) {
    if (!variable.startsWith(`${VARIABLES}_`) || known.has(variable) || value === undefined || value === '') continue;
    throw new DroverError('INVALID_INPUT', `${provider.manifest.title} has no field that ${variable} could set.`, {
      field: variable,
      remedy: `Use one of ${[...known].join(', ')}, or take the variable away.`,
    });
  }
}

interface Opened {
  readonly source: Source;
  readonly target: Target;
}

export class ProviderArtifactStore implements ArtifactStore, AsyncDisposable {
  readonly #open: () => Promise<Account>;
  readonly #place: Place;
  readonly #world: { readonly clock: Clock; readonly random: Random };
  /** Fires when the store is closed. */
  readonly #stopper = new AbortController();
  #opened: Promise<Opened> | null = null;
  readonly #closing = new AsyncDisposableStack();

  constructor(
    open: () => Promise<Account>,
    place: Place,
    { clock, random }: { readonly clock: Clock; readonly random: Random },
  ) {
    this.#open = open;
    this.#place = place;
    this.#world = { clock, random };
  }

  /** One atomic write, checked by the store where it can: who reads meanwhile sees all of it or nothing. */
  async put(name: string, content: Uint8Array): Promise<void> {
    checkName(name);
    const digests = { md5: createHash('md5').update(content).digest('hex') };
    await this.#trying(async ({ target }, signal) =>
      target.write(
        name,
        { sizeBytes: content.length, content },
        {
          kind: 'object',
          properties: NO_PROPERTIES,
          digests,
          expect: { kind: 'any' },
          modifiedAtMs: null,
          recorded: null,
          storageClass: null,
          signal,
        },
      ),
    );
  }

  async get(name: string): Promise<Uint8Array | null> {
    checkName(name);
    return this.#trying(async ({ source }, signal) => {
      const entry = await source.stat(name, signal);
      if (entry === null || entry.kind !== 'object') return null;
      const { body } = await source.read(entry, { offset: 0, lengthBytes: entry.sizeBytes }, signal);
      const chunks: Uint8Array[] = [];
      for await (const chunk of body) chunks.push(chunk);
      return Buffer.concat(chunks);
    });
  }

  async list(prefix: string): Promise<readonly string[]> {
    const entries = await this.#trying(({ source }, signal) => listed(source, prefix, signal));
    return entries.map(({ key }) => key).toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  }

  async removeAll(prefix: string): Promise<void> {
    const entries = await this.#trying(({ target }, signal) => listed(target, prefix, signal));
    for (let at = 0; at < entries.length; at += REMOVED_AT_ONCE) {
      const batch = entries.slice(at, at + REMOVED_AT_ONCE);
      await Promise.all(
        batch.map((entry) => this.#trying(async ({ target }, signal) => remove(target, entry, signal))),
      );
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopper.abort();
    await this.#closing.disposeAsync();
  }

  async #trying<T>(work: (opened: Opened, signal: AbortSignal) => Promise<T>): Promise<T> {
    const { signal } = this.#stopper;
    const attempt = async (): Promise<T> => {
      this.#opened ??= this.#openBoth(signal).catch((error: unknown) => {
        this.#opened = null;
        throw error;
      });
      return work(await this.#opened, signal);
    };
    return retrying(attempt, { ...this.#world, signal, attemptsMax: ATTEMPTS_MAX });
  }

  async #openBoth(signal: AbortSignal): Promise<Opened> {
    const account = this.#closing.use(await this.#open());
    const source = this.#closing.use(await account.source(this.#place, { versions: 'current' }, signal));
    const options = { facts: null, runId: 'artifacts' } as const;
    return { source, target: this.#closing.use(await account.target(this.#place, options, signal)) };
  }
}

async function listed(side: Pick<Source, 'scan'>, prefix: string, signal: AbortSignal): Promise<readonly Entry[]> {
  if (prefix !== '') checkName(prefix.replace(/\/$/, ''));
  const entries: Entry[] = [];
  let isComplete = false;
  const range = { from: prefix === '' ? null : prefix, to: prefix === '' ? null : prefixEnd(prefix), resume: null };
  for await (const page of side.scan(range, signal)) {
    for (const entry of page.entries) {
      if (entry.kind === 'object' && entry.key.startsWith(prefix) && isName(entry.key)) entries.push(entry);
    }
    isComplete = page.complete;
  }
  if (!isComplete) throw new DroverError('LISTING_INCOMPLETE', 'The listing of the artifact store broke off.');
  return entries;
}

async function remove(target: Target, entry: Entry, signal: AbortSignal): Promise<void> {
  const { removal } = target.facets;
  if (removal === undefined) throw new DroverError('UNSUPPORTED', 'Nothing can be removed from this artifact store.');
  await removal.remove(entry, signal);
}

function isName(name: string): boolean {
  return name.length <= NAME_CHARACTERS_MAX && name.split('/').every((segment) => NAME_SEGMENT.test(segment));
}

function checkName(name: string): void {
  if (!isName(name)) throw new DroverError('INTERNAL', `"${name}" is not a name for an artifact.`);
}
