/** What the kit observed of a provider, as a file that the documentation is made from. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Manifest } from '../contract/provider.ts';
import type { Harness, Level } from './harness.ts';

export const MATRIX_FOLDER = join('node_modules', '.cache', 'drover', 'conformance');

export interface MatrixRow {
  readonly suite: string;
  readonly name: string;
  readonly pass: 'plain' | 'production';
  readonly result: 'pass' | 'not applicable' | 'exempt' | 'fail';
  /** Why it does not apply, or why it is exempt. */
  readonly reason: string | null;
}

export interface Matrix {
  readonly name: string;
  readonly provider: string;
  readonly level: Level;
  readonly manifest: Manifest;
  readonly rows: readonly MatrixRow[];
}

/** Writes `<name>.json`; rows in the order of the kit, so that the same result gives the same file. */
export function writeMatrix(harness: Harness, rows: readonly MatrixRow[]): void {
  const folder = harness.matrixFolder ?? MATRIX_FOLDER;
  const { manifest } = harness.provider;
  const matrix: Matrix = { name: harness.name, provider: manifest.id, level: harness.level, manifest, rows };
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${fileName(harness.name)}.json`), `${JSON.stringify(matrix, null, 2)}\n`);
}

function fileName(name: string): string {
  return name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');
}
