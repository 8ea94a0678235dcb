/** A backup as whoever finds it reads it. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';

const PROGRAM = fileURLToPath(new URL('../../bin/drover', import.meta.url));

export async function openBackup(environment: Record<string, string>, path: string): Promise<string> {
  execFileSync(PROGRAM, ['db', 'backup', path], { env: environment, stdio: 'pipe' });
  const text = gunzipSync(readFileSync(path)).toString('utf8');
  // Bytes stand in it as hexadecimal digits.
  return `${text}\n${text.replaceAll(/\\\\x([0-9a-f]+)/g, (_, hex: string) => Buffer.from(hex, 'hex').toString('latin1'))}`;
}
