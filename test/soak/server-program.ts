/** A copy of the program that nobody edits or rebuilds while it is killed and started again and again. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PARTS = ['bin', 'src', 'scripts', 'package.json'];

/** `committed`: as the last commit has it; `working`: as the files are now. Returns the path of `bin/drover`. */
export function copyProgram(folder: string, from: 'committed' | 'working'): string {
  mkdirSync(folder, { recursive: true });
  if (from === 'committed') {
    const archive = execFileSync('git', ['archive', 'HEAD', ...PARTS], { cwd: ROOT, maxBuffer: 256 * 1024 * 1024 });
    execFileSync('tar', ['x', '-C', folder], { input: archive });
  } else {
    for (const part of PARTS) cpSync(join(ROOT, part), join(folder, part), { recursive: true });
  }
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  const drover = join(folder, 'bin', 'drover');
  // The first call builds it; nobody is killed while that goes on.
  execFileSync(drover, ['--version'], { stdio: ['ignore', 'ignore', 'inherit'] });
  return drover;
}
