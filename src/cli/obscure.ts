/**
 * Passwords in rclone's configuration file are obscured: AES-256-CTR under a key that everybody knows, the first 16
 * bytes being the counter. That keeps them from being read over a shoulder and from nothing else.
 */
import { createDecipheriv } from 'node:crypto';
import { DroverError } from '../model/errors.ts';

const KEY = Buffer.from('9c935b48730a554d6bfd7c63c886a92bd390198eb8128afbf4de162b8b95f638', 'hex');
const COUNTER_BYTES = 16;

/** INVALID_INPUT when the text was not obscured. */
export function reveal(obscured: string): string {
  const bytes = Buffer.from(obscured, 'base64url');
  if (bytes.length < COUNTER_BYTES || !/^[A-Za-z0-9_-]+$/.test(obscured)) {
    throw new DroverError(
      'INVALID_INPUT',
      'A password in the configuration file is not obscured the way rclone does it.',
    );
  }
  const decipher = createDecipheriv('aes-256-ctr', KEY, bytes.subarray(0, COUNTER_BYTES));
  return Buffer.concat([decipher.update(bytes.subarray(COUNTER_BYTES)), decipher.final()]).toString('utf8');
}
