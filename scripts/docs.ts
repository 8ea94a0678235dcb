/**
 * Writes docs/reference from the code. `--observed` first takes over what the last full run of the conformance kit
 * observed of each provider; without it the checked-in observations stay.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { takeObservations } from './docs/observed.ts';
import { buildPages, REFERENCE_FOLDER } from './docs/pages.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

if (process.argv.includes('--observed')) {
  for (const line of takeObservations(root)) process.stdout.write(`${line}\n`);
}
for (const [name, text] of buildPages(root)) {
  const path = join(root, REFERENCE_FOLDER, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  process.stdout.write(`${join(REFERENCE_FOLDER, name)}\n`);
}
