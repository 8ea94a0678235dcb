/** What Linux tells about processes. Other systems tell nothing here, and then nothing is concluded from it. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export function listProcesses(): readonly number[] {
  try {
    return readdirSync('/proc')
      .map(Number)
      .filter((id) => Number.isInteger(id));
  } catch {
    return [];
  }
}

/** `null`: it is gone, or not ours to ask; `undefined`: this system does not tell. */
export function workingFolder(id: number): string | null | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    return readlinkSync(`/proc/${id}/cwd`);
  } catch {
    return null;
  }
}

export function parentOf(id: number): number {
  // "id (name) state parent …"; the name may hold anything.
  return Number(readProcess(id, 'stat').split(') ').at(-1)?.split(' ')[1] ?? 0);
}

/** Empty when it is gone. */
export function readProcess(id: number, file: 'cmdline' | 'comm' | 'stat'): string {
  try {
    return readFileSync(`/proc/${id}/${file}`, 'utf8');
  } catch {
    return '';
  }
}
