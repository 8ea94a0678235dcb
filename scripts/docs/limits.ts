import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as limits from '../../src/engine/limits.ts';
import { bytes, code, page, table } from './markdown.ts';

const FILE = 'src/engine/limits.ts';
const VALUES: Readonly<Record<string, unknown>> = limits;

/** The comments are read from the file, the values from the module: neither can be wrong alone. */
export function limitsPage(root: string): string {
  return page(
    'Limits',
    `Every bound of the engine, from ${code(FILE)}. Limits of a storage service itself are told by its provider: see [providers](providers.md).`,
    table(
      ['Name', 'Value', 'Why'],
      commentedLimits(root).map(({ name, why }) => [code(name), valueWords(name), why]),
    ),
  );
}

/** A comment holds for all constants up to the next empty line. */
export function commentedLimits(root: string): { readonly name: string; readonly why: string }[] {
  const found: { name: string; why: string }[] = [];
  let why = '';
  for (const line of readFileSync(join(root, FILE), 'utf8').split('\n')) {
    const comment = /^(?:\/\*\*| \*(?!\/)) ?(.*?)(?: ?\*\/)?$/.exec(line);
    const constant = /^export const ([A-Z0-9_]+)/.exec(line);
    if (line === '') why = '';
    else if (constant !== null) found.push({ name: constant[1] as string, why });
    else if (comment !== null) why = `${why} ${comment[1]}`.trim();
  }
  return found.filter(({ name }) => name !== 'MIB');
}

function valueWords(name: string): string {
  const value = VALUES[name];
  if (typeof value !== 'number') return code(JSON.stringify(value));
  if (/_BYTES(_|$)|^BYTES_/.test(name)) return bytes(value);
  if (name.endsWith('_MS')) return value % 60_000 === 0 ? `${value / 60_000} min` : `${value / 1000} s`;
  return value.toLocaleString('en-US');
}
