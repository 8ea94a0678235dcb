/** A job that cannot start now, with everything that was found about it. */
import { DroverError } from '../../model/errors.ts';
import type { Preflight } from '../entities.ts';
import { RIGHTS } from './sides.ts';

/** PREFLIGHT_FAILED: what is refused on both sides, what to do about each, and the whole report for whoever shows it. */
export class NotReady extends DroverError {
  readonly preflight: Preflight;

  constructor(preflight: Preflight) {
    const refused = (['source', 'target'] as const).flatMap((side) =>
      preflight[side].filter(({ result }) => result === 'refused').map((line) => ({ side, ...line })),
    );
    const words = refused.map(({ side, message }) => `${side === 'source' ? 'Source' : 'Target'}: ${message}`);
    const grants = preflight.grants.map(({ side, title, text }) => `For the ${side}: ${title}: ${text}`);
    // What was refused for want of a right is mended by what is to be granted.
    const others = grants.length === 0 ? refused : refused.filter(({ what }) => !RIGHTS.includes(what));
    const remedies = others.flatMap(({ remedy }) => (remedy === null ? [] : [remedy]));
    const remedy = [...grants, ...new Set(remedies)].join('\n');
    super('PREFLIGHT_FAILED', words.join(' '), {
      field: refused.find(({ field }) => field !== null)?.field ?? null,
      remedy: remedy === '' ? null : remedy,
    });
    this.preflight = preflight;
  }
}

export function refuseUnready(preflight: Preflight): void {
  if (!preflight.ok) throw new NotReady(preflight);
}
