/** From the words of a place to an open source or target. */
import { join as joinPath, resolve as resolvePath, dirname, basename } from 'node:path';
import { lastingIdentity } from '../contract/places.ts';
import type { Account, Lister, Place, Source, SourceOptions } from '../contract/provider.ts';
import type { EndDefinition } from '../engine/definition.ts';
import { retrying } from '../lib/retry.ts';
import { DroverError, toDroverError } from '../model/errors.ts';
import { findConnector, listConnectors, localConnector, openAccount, type ReadyConnector } from './connectors.ts';
import { tellEnvironmentMistakes } from './environment-mistakes.ts';
import { objectPlace, parsePlace, prefixPlace, type PlaceText } from './place.ts';
import { openSide, type Side } from './requests.ts';
import type { Session } from './session.ts';

/** A store that cannot be reached should be told of soon: a person is waiting. */
const OPENING_ATTEMPTS_MAX = 3;

/** An account that a place named, before anyone asked whether the place exists. */
export interface NamedEnd {
  readonly text: PlaceText;
  readonly connector: ReadyConnector;
  readonly account: Account;
  readonly side: Side;
  /** The place as a folder; `null` for `NAME:` alone. */
  readonly place: Place | null;
}

export interface SourceEnd {
  readonly source: Source;
  readonly definition: EndDefinition;
}

/** Signs in, as far as that needs no network. USAGE, CONNECTOR_NOT_FOUND, INVALID_INPUT. */
export async function openEnd(session: Session, words: string): Promise<NamedEnd> {
  const text = parsePlace(words);
  await tellEnvironmentMistakes(session);
  const connector = text.kind === 'local' ? localConnector(session) : await findConnector(session, text.connector);
  const side = openSide(session);
  const account = await openAccount(session, connector, side.openTransport);
  return { text, connector, account, side, place: placeOf(session, text) };
}

/** USAGE when no bucket is named. */
export function namedPlace(end: NamedEnd): Place {
  if (end.place !== null) return end.place;
  const word = end.connector.provider.manifest.containerWord;
  throw new DroverError(
    'USAGE',
    `"${end.text.text}" names no ${word}. Write it after the colon: ${end.text.text}${word}/path.`,
    {
      remedy: `"drover ls ${end.text.text}" shows what is there.`,
    },
  );
}

/**
 * The keys below the place, or the one object it names. SOURCE_NOT_FOUND when neither is there; an empty bucket is
 * a place all the same.
 */
export async function openSource(session: Session, end: NamedEnd, options: SourceOptions): Promise<SourceEnd> {
  const place = namedPlace(end);
  if (end.text.kind === 'local') return openLocalSource(session, end, place, options);
  const source = await patiently(session, () => end.account.source(place, options, session.signal));
  if (place.prefix === '' || (await patiently(session, () => holdsAnything(source, session.signal)))) {
    return { source, definition: await defineEnd(end, place, null) };
  }
  await source[Symbol.asyncDispose]();
  const single = objectPlace(place.container, end.text.path);
  const found = single === null ? null : await openObject(session, end, single, options);
  if (found !== null) return found;
  throw new DroverError(
    'SOURCE_NOT_FOUND',
    `Nothing is at "${end.text.text}": no object of this name, and none below it.`,
  );
}

/** Only an object of exactly this name. SOURCE_NOT_FOUND. */
export async function openNamedObject(session: Session, end: NamedEnd): Promise<SourceEnd> {
  const place = namedPlace(end);
  const single = end.text.kind === 'local' ? localObject(place) : objectPlace(place.container, end.text.path);
  const found = single === null ? null : await openObject(session, end, single, { versions: 'current' });
  if (found !== null) return found;
  throw new DroverError('SOURCE_NOT_FOUND', `There is no object "${end.text.text}".`);
}

export async function defineEnd(end: NamedEnd, place: Place, only: string | null): Promise<EndDefinition> {
  return {
    connector: end.connector.name,
    provider: end.connector.provider.manifest.id,
    fingerprint: end.account.fingerprint,
    identity: lastingIdentity(await end.account.identify(place)),
    place,
    // Read later, from another folder: a relative path would mean something else there.
    label: end.text.kind === 'local' ? joinPath(place.container, only ?? '') : end.text.text,
    only,
  };
}

/** Before a run, a single hiccup of the network should not send anybody away. */
export async function patiently<T>(session: Session, work: () => Promise<T>): Promise<T> {
  const { clock, random } = session.world;
  return retrying(work, { clock, random, signal: session.signal, attemptsMax: OPENING_ATTEMPTS_MAX });
}

/** True at the first entry; false only after a complete listing. */
export async function holdsAnything(lister: Lister, signal: AbortSignal): Promise<boolean> {
  for await (const page of lister.scan({ from: null, to: null, resume: null }, signal)) {
    if (page.entries.length > 0) return true;
    if (page.complete) return false;
  }
  throw new DroverError('LISTING_INCOMPLETE', 'The listing of the place broke off.');
}

function placeOf(session: Session, text: PlaceText): Place | null {
  if (text.kind === 'local')
    return { container: resolvePath(session.world.workingFolder, expandHome(session, text.text)), prefix: '' };
  return text.container === '' ? null : prefixPlace(text.container, text.path);
}

/** Inside quotes no shell does it. */
function expandHome(session: Session, path: string): string {
  return path === '~' || path.startsWith('~/') ? session.world.homeFolder + path.slice(1) : path;
}

function localObject(place: Place): { place: Place; key: string } | null {
  const key = basename(place.container);
  return key === '' ? null : { place: { container: dirname(place.container), prefix: '' }, key };
}

async function openLocalSource(
  session: Session,
  end: NamedEnd,
  place: Place,
  options: SourceOptions,
): Promise<SourceEnd> {
  try {
    const source = await patiently(session, () => end.account.source(place, options, session.signal));
    return { source, definition: await defineEnd(end, place, null) };
  } catch (error) {
    if (toDroverError(error).code !== 'PLACE_NOT_FOUND') throw error;
  }
  const single = localObject(place);
  const found = single === null ? null : await openObject(session, end, single, options).catch(absent);
  if (found !== null) return found;
  throw await noLocalSource(session, end.text.text);
}

function absent(error: unknown): null {
  if (toDroverError(error).code === 'PLACE_NOT_FOUND') return null;
  throw error;
}

async function openObject(
  session: Session,
  end: NamedEnd,
  single: { readonly place: Place; readonly key: string },
  options: SourceOptions,
): Promise<SourceEnd | null> {
  const source = await patiently(session, () => end.account.source(single.place, options, session.signal));
  const entry = await patiently(session, () => source.stat(single.key, session.signal));
  if (entry !== null && entry.kind !== 'folder') {
    return { source, definition: await defineEnd(end, single.place, single.key) };
  }
  await source[Symbol.asyncDispose]();
  return null;
}

/** A bare word that is no path was probably meant as a bucket. */
async function noLocalSource(session: Session, text: string): Promise<DroverError> {
  if (/[/\\.]/.test(text)) {
    return new DroverError('SOURCE_NOT_FOUND', `There is no file or folder "${text}".`, {
      remedy: 'Check the path; it is relative to the folder you are in.',
    });
  }
  const names = (await listConnectors(session)).map(({ name }) => name);
  const name = names.find((known) => text.toLowerCase().startsWith(known.toLowerCase())) ?? names[0] ?? 'NAME';
  return new DroverError('SOURCE_NOT_FOUND', `"${text}" is not a place. Name the connector first: ${name}:${text}`, {
    remedy: `For a local folder write ./${text}.`,
  });
}
