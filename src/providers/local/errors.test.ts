import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DroverError } from '../../model/errors.ts';
import { ERRNO, fromErrno } from './errors.ts';
import {
  asNobody,
  bodyOf,
  entriesOf,
  everythingIn,
  makeFolder,
  optionsOf,
  plant,
  readAll,
  sourceOf,
  targetOf,
} from './testing.ts';
import { canMount } from '../../../test/abilities.ts';

let folder: string;
let removeFolder: () => void;

beforeEach(() => {
  ({ folder, removeFolder } = makeFolder());
});
afterEach(() => removeFolder());

describe('the table', () => {
  const rows: Readonly<Record<string, string>> = {
    ENOENT: 'NOT_FOUND',
    ENOSPC: 'DISK_FULL',
    EDQUOT: 'QUOTA_EXCEEDED',
    EACCES: 'PERMISSION_DENIED',
    EPERM: 'PERMISSION_DENIED',
    EROFS: 'PERMISSION_DENIED',
    ENAMETOOLONG: 'UNREPRESENTABLE',
    EINVAL: 'UNREPRESENTABLE',
    EILSEQ: 'UNREPRESENTABLE',
    ENOTDIR: 'UNREPRESENTABLE',
    EISDIR: 'UNREPRESENTABLE',
    ENOTEMPTY: 'UNREPRESENTABLE',
    EEXIST: 'UNREPRESENTABLE',
    ELOOP: 'UNREPRESENTABLE',
    EFBIG: 'TOO_LARGE',
    EIO: 'UNAVAILABLE',
    ESTALE: 'UNAVAILABLE',
    EBUSY: 'UNAVAILABLE',
    ETXTBSY: 'UNAVAILABLE',
    EMFILE: 'UNAVAILABLE',
    ENFILE: 'UNAVAILABLE',
    EAGAIN: 'UNAVAILABLE',
    EINTR: 'UNAVAILABLE',
    ETIMEDOUT: 'TIMED_OUT',
    EHOSTDOWN: 'UNREACHABLE',
    ENOTCONN: 'UNREACHABLE',
  };

  test('has a test for every row', () => {
    expect(Object.keys(ERRNO).toSorted()).toEqual(Object.keys(rows).toSorted());
  });

  test.each(Object.entries(rows))('%s is %s and says so', (errno, code) => {
    const cause = Object.assign(new Error(`${errno}: words of the system`), { code: errno });
    const error = fromErrno(cause, 'Writing "a"', 'a');
    expect(error).toMatchObject({ code, key: 'a', cause, details: { errno } });
    expect(error.message).toMatch(new RegExp(`^Writing "a" failed: .+ \\(${errno}\\)\\.$`));
    expect(error.remedy.length).toBeGreaterThan(10);
  });

  test('what is not in the table is INTERNAL, and what is one of ours passes', () => {
    expect(fromErrno(new Error('odd'), 'Writing "a"', 'a')).toMatchObject({ code: 'INTERNAL' });
    const ours = new DroverError('EARLY_END', 'x');
    expect(fromErrno(ours, 'Writing "a"', 'a')).toBe(ours);
  });
});

describe('provoked', () => {
  test('no right to write, to read and to list', async () => {
    const closed = join(folder, 'closed');
    mkdirSync(closed);
    plant(folder, 'secret.txt', 'dark/a');
    chmodSync(join(folder, 'secret.txt'), 0o000);
    chmodSync(join(folder, 'dark'), 0o000);
    chmodSync(closed, 0o555);
    await asNobody(async () => {
      const target = await targetOf(closed);
      await expect(target.write('a', bodyOf('x'), optionsOf())).rejects.toMatchObject({
        code: 'PERMISSION_DENIED',
        key: 'a',
      });
      await expect(target.write('b/c', bodyOf('x'), optionsOf())).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
      const source = await sourceOf(folder);
      const secret = await source.stat('secret.txt', new AbortController().signal);
      await expect(readAll(source, secret!)).rejects.toMatchObject({ code: 'PERMISSION_DENIED', key: 'secret.txt' });
      await expect(entriesOf(source)).rejects.toMatchObject({ code: 'PERMISSION_DENIED', key: 'dark/' });
    });
    chmodSync(join(folder, 'dark'), 0o755);
    chmodSync(closed, 0o755);
    expect(everythingIn(closed)).toEqual([]);
  });

  test('no right to remove', async () => {
    plant(folder, 'kept/a');
    chmodSync(join(folder, 'kept'), 0o555);
    await asNobody(async () => {
      const target = await targetOf(folder);
      const entry = await target.stat('kept/a', new AbortController().signal);
      const removing = target.facets.removal?.remove(entry!, new AbortController().signal);
      await expect(removing).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
    });
    chmodSync(join(folder, 'kept'), 0o755);
    expect(everythingIn(folder)).toEqual(['kept/', 'kept/a']);
  });
});

describe.skipIf(!canMount)('on file systems of their own (needs the right to mount)', () => {
  let disk: string;
  const mount = (options: string): void => {
    disk = join(folder, 'disk');
    mkdirSync(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', disk]);
  };
  afterEach(() => {
    execFileSync('umount', [disk]);
  });

  test('a full disk is DISK_FULL, and the old file and nothing else stays', async () => {
    mount('size=256k');
    const target = await targetOf(disk);
    await target.write('a', bodyOf('old'), optionsOf());
    const large = { sizeBytes: 1_000_000, content: new Uint8Array(1_000_000) };
    await expect(target.write('a', large, optionsOf())).rejects.toMatchObject({ code: 'DISK_FULL' });
    await expect(target.write('b', large, optionsOf())).rejects.toMatchObject({ code: 'DISK_FULL' });
    expect(everythingIn(disk)).toEqual(['a']);
    const source = await sourceOf(disk);
    expect((await readAll(source, (await entriesOf(source))[0]!)).toString()).toBe('old');
  });

  test('a part that does not fit is DISK_FULL and is not among the parts', async () => {
    mount('size=256k');
    const parts = (await targetOf(disk)).facets.parts!;
    const upload = await parts.begin('a', 1_100_000, 100_000, optionsOf());
    const put = async () => {
      for (let i = 0; i < 11; i++) {
        const body = { sizeBytes: 100_000, content: new Uint8Array(100_000) };
        await parts.put(upload, i, body, {}, new AbortController().signal);
      }
    };
    await expect(put()).rejects.toMatchObject({ code: 'DISK_FULL' });
    const arrived = await parts.list(upload, new AbortController().signal);
    expect(arrived.length).toBeGreaterThan(0);
    expect(arrived.length).toBeLessThan(3);
    await parts.abort(upload, new AbortController().signal);
    expect(everythingIn(disk)).toEqual([]);
  });

  test('a read-only file system is PERMISSION_DENIED', async () => {
    mount('size=256k');
    writeFileSync(join(disk, 'a'), 'x');
    execFileSync('mount', ['-o', 'remount,ro', disk]);
    const target = await targetOf(disk);
    await expect(target.write('b', bodyOf('x'), optionsOf())).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
      details: { errno: 'EROFS' },
    });
    await expect(target.write('c/d', bodyOf('x'), optionsOf())).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
  });
});

test('tests about rights are real: a user without rights is refused', async () => {
  chownSync(folder, process.getuid?.() ?? 0, process.getgid?.() ?? 0);
  chmodSync(folder, 0o555);
  await asNobody(async () => {
    expect(() => writeFileSync(join(folder, 'a'), 'x')).toThrow('EACCES');
  });
});
