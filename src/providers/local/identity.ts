/** Which folder a place is, by whatever path it is reached. */
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { PlaceIdentity } from '../../contract/provider.ts';
import { keyFromBytes, keyToBytes } from '../../model/key.ts';
import { realPathOf } from './root.ts';

/** `path`: absolute. Below it no link is followed, so the prefix stays as it is. */
export async function identifyFolder(path: string, prefix: string): Promise<PlaceIdentity> {
  const container = await realPathOf(Buffer.from(keyToBytes(path)));
  const whole = Buffer.concat([container, Buffer.from('/'), keyToBytes(prefix)]);
  const [itself = null, ...above] = await marksFrom(whole);
  const within = [itself, ...above].filter((mark) => mark !== null);
  return { store: 'local', container: keyFromBytes(container), prefix, folder: { itself, within } };
}

/** What the system knows a folder and each one above it by; `null`: it is not there, or may not be asked. */
async function marksFrom(path: Buffer): Promise<(string | null)[]> {
  // Latin-1 keeps every byte as one character.
  const text = path.toString('latin1');
  const above = dirname(text);
  const mark = await stat(path, { bigint: true }).then(
    // Some file systems number nothing.
    ({ dev, ino }) => (ino === 0n ? null : `${dev}:${ino}`),
    () => null,
  );
  return above === text ? [mark] : [mark, ...(await marksFrom(Buffer.from(above, 'latin1')))];
}
