// Bundles src/main.ts into dist/drover.mjs: one file starts faster than stripping types at every start.
// Two builds may run at once: each writes files of its own and renames them into place.
// With --release nothing of earlier builds stays.
import { build } from 'esbuild';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
/** A program that is just starting may still read the parts of the build before this one. */
const KEEP_MS = process.argv.includes('--release') ? 0 : 3_600_000;
if (existsSync(`${root}/src/main.ts`)) {
  // A source that is saved while we build must look newer than what we built from.
  const startedAt = new Date();
  const result = await build({
    absWorkingDir: root,
    entryPoints: [{ in: 'src/main.ts', out: 'drover' }],
    outdir: 'dist',
    outExtension: { '.js': '.mjs' },
    // What only the server needs stands in files of its own, read when a command of the server is called.
    splitting: true,
    chunkNames: 'parts/[name]-[hash]',
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    packages: 'external',
    sourcemap: true,
    logLevel: 'warning',
    write: false,
  });
  mkdirSync(`${root}/dist/parts`, { recursive: true });
  // Maps first, then parts, the entry last: what is in place always finds what it refers to.
  const rank = ({ path }) => (path.endsWith('.map') ? 0 : path.endsWith('/drover.mjs') ? 2 : 1);
  const files = result.outputFiles.toSorted((a, b) => rank(a) - rank(b));
  for (const file of files) {
    const temporary = `${file.path}.${process.pid}`;
    writeFileSync(temporary, file.contents);
    utimesSync(temporary, startedAt, startedAt);
    renameSync(temporary, file.path);
  }
  removeEarlier(join(root, 'dist', 'parts'), new Set(files.map(({ path }) => path)), startedAt);
}

function removeEarlier(folder, current, startedAt) {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (current.has(path)) continue;
    const builtAt = statSync(path, { throwIfNoEntry: false });
    if (builtAt !== undefined && startedAt - builtAt.mtime >= KEEP_MS) rmSync(path, { force: true });
  }
}
