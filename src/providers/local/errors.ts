/** What the file system's error numbers mean, in one table. */
import { DroverError, type ErrorCode } from '../../model/errors.ts';

interface Meaning {
  readonly code: ErrorCode;
  /** End of the sentence "…: ". */
  readonly words: string;
  /** Overrides the table's remedy where the file system knows better. */
  readonly remedy?: string;
}

const GRANT = 'Give the user that runs Drover the missing right on this file or folder, and run again.';

export const ERRNO: Readonly<Record<string, Meaning>> = {
  ENOENT: { code: 'NOT_FOUND', words: 'it is not there' },
  ENOSPC: { code: 'DISK_FULL', words: 'the disk is full' },
  EDQUOT: { code: 'QUOTA_EXCEEDED', words: 'the disk quota is used up' },
  EACCES: { code: 'PERMISSION_DENIED', words: 'the file permissions do not allow it', remedy: GRANT },
  EPERM: { code: 'PERMISSION_DENIED', words: 'the operating system does not allow it', remedy: GRANT },
  EROFS: {
    code: 'PERMISSION_DENIED',
    words: 'the file system is mounted read-only',
    remedy: 'Mount it writable, or choose another folder.',
  },
  ENAMETOOLONG: { code: 'UNREPRESENTABLE', words: 'the name or path is too long for the file system' },
  EINVAL: { code: 'UNREPRESENTABLE', words: 'the file system does not take this name' },
  EILSEQ: { code: 'UNREPRESENTABLE', words: 'the file system does not take the characters of this name' },
  ENOTDIR: { code: 'UNREPRESENTABLE', words: 'something that is not a folder stands where a folder is needed' },
  EISDIR: { code: 'UNREPRESENTABLE', words: 'a folder stands where a file is needed' },
  ENOTEMPTY: { code: 'UNREPRESENTABLE', words: 'a folder that is not empty stands there' },
  EEXIST: { code: 'UNREPRESENTABLE', words: 'something else stands there' },
  ELOOP: { code: 'UNREPRESENTABLE', words: 'a symbolic link stands on the way, and Drover does not follow it' },
  EFBIG: { code: 'TOO_LARGE', words: 'the file system holds no file of this size' },
  EIO: { code: 'UNAVAILABLE', words: 'the disk reported a fault' },
  ESTALE: { code: 'UNAVAILABLE', words: 'the network file system lost it' },
  EBUSY: { code: 'UNAVAILABLE', words: 'it is busy' },
  ETXTBSY: { code: 'UNAVAILABLE', words: 'it is a program that is running' },
  EMFILE: { code: 'UNAVAILABLE', words: 'this process has too many files open' },
  ENFILE: { code: 'UNAVAILABLE', words: 'the machine has too many files open' },
  EAGAIN: { code: 'UNAVAILABLE', words: 'the file system is busy' },
  EINTR: { code: 'UNAVAILABLE', words: 'the call was interrupted' },
  ETIMEDOUT: { code: 'TIMED_OUT', words: 'the network file system does not answer' },
  EHOSTDOWN: { code: 'UNREACHABLE', words: 'the server of the network file system is down' },
  ENOTCONN: { code: 'UNREACHABLE', words: 'the file system is not connected any more' },
};

/** `doing`: what was tried, as the beginning of a sentence: `Writing "a/b"`. */
export function fromErrno(thrown: unknown, doing: string, key: string | null): DroverError {
  if (thrown instanceof DroverError) return thrown;
  const name = errnoOf(thrown);
  const meaning = name === null ? undefined : ERRNO[name];
  const options = { cause: thrown, key, details: name === null ? null : { errno: name } };
  if (meaning === undefined) {
    const words = thrown instanceof Error ? thrown.message : String(thrown);
    return new DroverError('INTERNAL', `${doing} failed: ${words}`, options);
  }
  const { code, words, remedy } = meaning;
  return new DroverError(code, `${doing} failed: ${words} (${name}).`, { ...options, remedy: remedy ?? null });
}

export function errnoOf(thrown: unknown): string | null {
  const code = (thrown as { code?: unknown } | null)?.code;
  return typeof code === 'string' && !(thrown instanceof DroverError) ? code : null;
}

/** A symbolic link stands in the path. */
export function isLink(thrown: unknown): boolean {
  return errnoOf(thrown) === 'ELOOP';
}

/** Nothing is there, or something on the way to it is no folder. */
export function isAbsent(thrown: unknown): boolean {
  const name = errnoOf(thrown);
  return name === 'ENOENT' || name === 'ENOTDIR';
}
