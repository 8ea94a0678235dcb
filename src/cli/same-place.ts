/** A run must never read what it writes, or delete what it reads, by whatever name the place is called. */
import { identitiesOverlap, probeBetween } from '../contract/places.ts';
import type { PlaceIdentity, Probing, Target } from '../contract/provider.ts';
import { lookedUp } from '../engine/apart.ts';
import type { EndDefinition } from '../engine/definition.ts';
import { DroverError, toDroverError } from '../model/errors.ts';
import type { NamedEnd, SourceEnd } from './ends.ts';

interface Compared {
  readonly end: NamedEnd;
  readonly definition: EndDefinition;
}

/** PLACES_OVERLAP. `mayBeObject`: nobody has looked yet whether the source is an object or what lies below its name. */
export async function refuseOverlap(source: Compared, target: Compared, mayBeObject: boolean): Promise<void> {
  const [from, to] = await Promise.all([source, target].map(identityOf));
  const { only, label, place } = source.definition;
  const isPerhapsObject = mayBeObject && !label.endsWith('/') && place.prefix !== '';
  if (!identitiesOverlap(from!, only ?? (isPerhapsObject ? '' : null), to!)) return;
  throw overlap(source.definition, target.definition);
}

/** Looks for what is written to the target to try it out; `undefined`: it could not show up at the source. */
export function probingAt(
  source: SourceEnd,
  target: EndDefinition,
  opened: Target,
  signal: AbortSignal,
): Probing | undefined {
  const { definition } = source;
  const probe =
    definition.provider === target.provider
      ? probeBetween(definition.place, target.place, !opened.traits.names.objectAndPrefix)
      : null;
  const isBeside = definition.only !== null && target.place.prefix.length > definition.place.prefix.length;
  if (probe === null || isBeside) return undefined;
  return {
    below: probe.below,
    async seen(key) {
      const entry = await lookedUp(source.source, probe.keyAt(key), signal).catch((thrown: unknown) => {
        const error = toDroverError(thrown);
        if (error.code === 'CANCELLED') throw error;
        return null;
      });
      if (entry !== null) throw overlap(definition, target);
    },
  };
}

function identityOf({ end, definition }: Compared): Promise<PlaceIdentity> {
  return end.account.identify(definition.place);
}

function overlap(source: EndDefinition, target: EndDefinition): DroverError {
  const same = source.label === target.label;
  return new DroverError(
    'PLACES_OVERLAP',
    same && source.only === null
      ? `Source and target are the same place, "${target.label}".`
      : `"${source.label}" and "${target.label}" are the same place or lie inside one another, so the run would read what it writes.`,
  );
}
