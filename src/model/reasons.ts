/** One table of why an item ended as it did where that was no error; errors have a table of their own. */
import { ERRORS, type ErrorCode } from './errors.ts';
import type { ItemRecord } from './outcome.ts';

export interface Reason {
  /** How an item with this code stands in the log. */
  readonly results: readonly ItemRecord['result'][];
  /** One sentence: what it means. */
  readonly meaning: string;
  /** One sentence: what to do, or that there is nothing to do. */
  readonly remedy: string;
}

const NOTHING = 'Nothing to do.';

export const REASONS = {
  absent: { results: ['copied'], meaning: 'It was not at the target.', remedy: NOTHING },
  changed: { results: ['copied'], meaning: 'What was at the target differed from the source.', remedy: NOTHING },
  restored: {
    results: ['copied'],
    meaning: 'It was archived, was asked back, and was copied when it could be read.',
    remedy: NOTHING,
  },
  'hidden-version': {
    results: ['copied', 'same'],
    meaning:
      'A version of what is deleted at the source: at the target it was deleted after it was written, and is kept there as a version, too.',
    remedy: NOTHING,
  },
  'same-snapshot': {
    results: ['same'],
    meaning: 'Both sides are exactly in the states that the last run recorded and had proved.',
    remedy: NOTHING,
  },
  'same-digest': {
    results: ['same'],
    meaning: 'A digest that both sides know is equal, or the digest over the same number of parts.',
    remedy: NOTHING,
  },
  'same-recorded': {
    results: ['same'],
    meaning: "The target's metadata names this very state of the source, and that a digest spoke for the copy.",
    remedy: NOTHING,
  },
  'same-size-and-time': {
    results: ['same'],
    meaning: "The sizes are equal, and the target has the source's time of modification.",
    remedy: 'Nothing, if size and time are proof enough for you; otherwise run with --verify read-back.',
  },
  'same-size': {
    results: ['same'],
    meaning:
      'Only the sizes are equal, and the target is not older than the source, or names it as what it was copied from; no digest is known to both.',
    remedy: 'Run with --verify read-back to have the bytes compared, or accept sizes with --accept-size-only.',
  },
  'same-folder': { results: ['same'], meaning: 'The folder is there.', remedy: NOTHING },
  'properties-refreshed': {
    results: ['same'],
    meaning: 'The content was the same; headers, metadata or tags differed and were written anew.',
    remedy: NOTHING,
  },
  excluded: {
    results: ['excluded'],
    meaning: 'A filter leaves it out; the details say which.',
    remedy: 'Nothing to do, unless it should go along: then change the filter.',
  },
  'deleted-at-source': {
    results: ['excluded'],
    meaning:
      'A version of what is deleted at the source; the target is not known to keep versions, or shows something else under this name, so that it would be brought back to life there.',
    remedy:
      'Nothing to do, unless it should go along: then turn on versions at the target, or restore it at the source.',
  },
  'target-newer': {
    results: ['skipped'],
    meaning: 'What is at the target is newer than the source, and newer objects are to be left alone.',
    remedy:
      'Nothing to do, unless the source should win: then let newer objects be overwritten (--target-newer overwrite).',
  },
  missing: {
    results: ['missing'],
    meaning: 'The source has it and the target does not.',
    remedy: 'Run the transfer; it copies what is missing.',
  },
  different: {
    results: ['different'],
    meaning: 'The source has something else than the target; the details say what differs.',
    remedy: 'Run the transfer; it makes the target as the source is.',
  },
  extra: {
    results: ['extra'],
    meaning: 'Only the target has it.',
    remedy: 'Nothing to do, unless it should go: then delete it, or let a mirror do so.',
  },
  'source-unread': {
    results: ['extra'],
    meaning:
      'It lies below a name that was not read at the source (a link, a device), so nobody knows whether the source has it; a mirror leaves it.',
    remedy:
      'Nothing to do, unless it should go: then delete it at the target yourself, or remove the link at the source.',
  },
  'dry-run': {
    results: ['missing', 'different', 'extra'],
    meaning: 'A dry run found it; a real one would copy it, replace it or delete it.',
    remedy: 'Run it without --dry-run when the plan is what you want.',
  },
  'not-at-source': {
    results: ['deleted'],
    meaning: 'A mirror deleted it at the target, because the source does not have it.',
    remedy: NOTHING,
  },
  'absent-already': {
    results: ['deleted'],
    meaning: 'A mirror was to delete it, and it was gone from the target already.',
    remedy: NOTHING,
  },
} as const satisfies Record<string, Reason>;

export type ReasonCode = keyof typeof REASONS;

/** What an item can have as its code. */
export type ItemCode = ErrorCode | ReasonCode;

export interface Explanation {
  /** `''` of an error: it says itself what happened. */
  readonly meaning: string;
  readonly remedy: string;
}

/** Of any code of the log; one from another version of the program, that no table knows, is said to be so. */
export function explanationOf(code: string): Explanation {
  if (Object.hasOwn(REASONS, code)) {
    const { meaning, remedy } = REASONS[code as ReasonCode];
    return { meaning, remedy };
  }
  if (Object.hasOwn(ERRORS, code)) return { meaning: '', remedy: ERRORS[code as ErrorCode].remedy };
  return { meaning: 'This version of the program does not know it.', remedy: 'Look at the details.' };
}
