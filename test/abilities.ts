/**
 * What a machine must let tests do. Those that need it skip themselves without it, and the setup names at the end what
 * was not there: both ask here. `DROVER_TEST_WITHOUT=mount,script` plays a machine that lacks it.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Only Linux lets a folder be used through its handle, and shows processes as files. */
export const isLinux = process.platform === 'linux' && !isWithout('linux');

/** The right to mount a small file system, which can be full or read-only. */
export const canMount = !isWithout('mount') && tryMount();

/** A pseudo-terminal for a command: the `script` of util-linux; others take other options. */
export const hasScript =
  !isWithout('script') &&
  spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout?.includes('util-linux') === true;

/** The right to start processes of another account, as the embedded PostgreSQL needs where Drover runs as root. */
export const isRoot = process.getuid?.() === 0 && !isWithout('root');

/** Sentences that name the tests that do not run here, and why. */
export function missingAbilities(): readonly string[] {
  return [
    ...(isLinux ? [] : ['what only Linux has']),
    ...(canMount ? [] : ['file systems of their own (needs the right to mount)']),
    ...(isRoot ? [] : ['processes of another account (needs root)']),
    ...(hasScript ? [] : ['a pseudo-terminal (needs "script" of util-linux)']),
  ];
}

export function isWithout(what: 'rgw' | 'linux' | 'mount' | 'script' | 'root'): boolean {
  return (process.env['DROVER_TEST_WITHOUT'] ?? '').split(',').includes(what);
}

function tryMount(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'drover-mount-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder], { stdio: 'ignore' });
    execFileSync('umount', [folder], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
