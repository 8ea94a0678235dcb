import { chmodSync, mkdirSync, readdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Account, Place, Use } from '../../contract/provider.ts';
import { identitiesOverlap } from '../../contract/places.ts';
import { parseConfig } from '../../contract/config.ts';
import { local } from './provider.ts';
import { asNobody, contextOf, everythingIn, keysOf, makeFolder, never, plant } from './testing.ts';
import { isLinux } from '../../../test/abilities.ts';

let folder: string;
let removeFolder: () => void;

beforeEach(() => {
  ({ folder, removeFolder } = makeFolder());
});
afterEach(() => removeFolder());

const open = (config: Readonly<Record<string, string>> = {}): Promise<Account> => local.open(config, contextOf());
const sourceAt = (account: Account, container: string, prefix = '') =>
  account.source({ container, prefix }, { versions: 'current' }, never);

async function checkOf(account: Account, place: Place | null, use: Use): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of account.check(place, use, never)) lines.push(`${line.what} ${line.result}`);
  return lines;
}

test('a file that a check has left when it was killed is taken away by the next one a while later, nothing else', async () => {
  const own = (run: string, at: number, ending = 'part') => `.drover-${run}-${String(at).padStart(16, '0')}.${ending}`;
  const put = (name: string, text: string, ageMs: number): string => {
    writeFileSync(join(folder, 'at', name), text);
    const at = new Date(Date.now() - ageMs);
    utimesSync(join(folder, 'at', name), at, at);
    return name;
  };
  plant(folder, 'at/');
  const hourMs = 3_600_000;
  put(own('drovercheck', 1), 'drover', hourMs);
  put(own('drovercheck', 2), '', hourMs);
  put(own('drovercheck', 3), 'dro', hourMs);
  const kept = [
    put(own('drovercheck', 4), 'drover', 60_000),
    put(own('drovercheck', 5), 'drives', hourMs),
    put(own('drovercheck', 6), 'drover and more', hourMs),
    put(own('drovercheck', 7, 'journal'), 'drover', hourMs),
    put(own('run00000001', 8), 'drover', hourMs),
    put('.drover-drovercheck', 'drover', hourMs),
  ];
  symlinkSync(own('drovercheck', 5), join(folder, 'at', own('drovercheck', 9)));
  kept.push(own('drovercheck', 9));
  const before = readdirSync(join(folder, 'at')).length;
  await checkOf(await open(), { container: join(folder, 'at'), prefix: '' }, 'read');
  expect(readdirSync(join(folder, 'at'))).toHaveLength(before);
  await checkOf(await open(), { container: join(folder, 'at'), prefix: '' }, 'write');
  expect(readdirSync(join(folder, 'at')).toSorted()).toEqual(kept.toSorted());
});

describe('root', () => {
  test('relative places begin there, and nothing outside of it opens', async () => {
    plant(folder, 'root/photos/2024/a', 'outside/b');
    symlinkSync('../outside', join(folder, 'root/link'));
    const account = await open({ root: join(folder, 'root') });
    expect(await keysOf(await sourceAt(account, 'photos', '2024/'))).toEqual(['a']);
    for (const container of ['../outside', join(folder, 'outside'), 'link']) {
      await expect(sourceAt(account, container), container).rejects.toMatchObject({
        code: 'PERMISSION_DENIED',
        field: 'root',
      });
      const target = account.target({ container, prefix: '' }, { facts: null, runId: 'run00000001' }, never);
      await expect(target, container).rejects.toMatchObject({ code: 'PERMISSION_DENIED', field: 'root' });
      await expect(account.makeContainer(`${container}/new`, never)).rejects.toMatchObject({ field: 'root' });
    }
    expect(everythingIn(folder)).not.toContain('outside/new/');
  });

  test.each([['relative'], ['/nowhere-at-all']])('%s is refused by its field', async (root) => {
    const parsed = parseConfig(local.account, { root });
    const opened = 'config' in parsed && parsed.config !== undefined ? local.open(parsed.config, contextOf()) : null;
    if (opened === null) expect('problems' in parsed && parsed.problems?.[0]?.field).toBe('root');
    else await expect(opened).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'root' });
  });

  test('a fingerprint tells roots apart and is the same for the same root', async () => {
    plant(folder, 'a/', 'b/');
    symlinkSync('a', join(folder, 'c'));
    const [a, b, c] = await Promise.all(['a', 'b', 'c'].map((name) => open({ root: join(folder, name) })));
    expect(a!.fingerprint).not.toBe(b!.fingerprint);
    expect(a!.fingerprint).toBe(c!.fingerprint);
    expect((await open()).fingerprint).toBe('local');
  });

  describe('a place is the same', () => {
    const at = async (root: string, container: string, prefix = '') =>
      (await open({ root: join(folder, root) })).identify({ container: join(folder, container), prefix });
    const overlap = async (a: Parameters<typeof at>, b: Parameters<typeof at>): Promise<[boolean, boolean]> => {
      const [one, other] = [await at(...a), await at(...b)];
      return [identitiesOverlap(one, null, other), identitiesOverlap(other, null, one)];
    };

    test.each<[string, Parameters<typeof at>, Parameters<typeof at>, boolean]>([
      ['by two connectors, one root inside the other', ['', 'a'], ['a', 'a'], true],
      ['as a folder and as a prefix', ['', '', 'a/b/'], ['a', 'a/b'], true],
      ['inside the other', ['', 'a'], ['a', 'a/b'], true],
      ['through a link', ['', 'a'], ['', 'link'], true],
      ['below a link', ['', 'a/b'], ['', 'link/b'], true],
      ['below a link, not there yet', ['', 'a/new'], ['', 'link/new/deep'], true],
      ['beside it', ['', 'a'], ['', 'ab'], false],
      ['two that are not there yet', ['', 'new'], ['', 'newer'], false],
    ])('%s', async (_how, one, other, expected) => {
      plant(folder, 'a/', 'a/b/', 'ab/');
      symlinkSync('a', join(folder, 'link'));
      expect(await overlap(one, other)).toEqual([expected, expected]);
    });

    test('where paths tell nothing, by what the system knows the folder by', async () => {
      plant(folder, 'a/', 'a/b/');
      const [a, b] = [await at('', 'a'), await at('', 'a/b')];
      const elsewhere = { ...b, container: '/mounted/elsewhere' };
      expect(identitiesOverlap(a, null, elsewhere)).toBe(true);
      expect(identitiesOverlap(elsewhere, null, a)).toBe(true);
      expect(identitiesOverlap({ ...a, folder: undefined }, null, elsewhere)).toBe(false);
    });
  });
});

test('prefixes that no folder can have are refused, those that none has are empty', async () => {
  plant(folder, 'a', 'b/c');
  const account = await open();
  for (const prefix of ['../', 'a//b/', '/', './', 'x\u0000/']) {
    await expect(sourceAt(account, folder, prefix), prefix).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field: 'prefix',
    });
  }
  for (const prefix of ['none/', 'a/', 'a/deeper/', 'none/deeper/']) {
    expect(await keysOf(await sourceAt(account, folder, prefix)), prefix).toEqual([]);
  }
  await expect(account.source({ container: folder, prefix: '' }, { versions: 'all' }, never)).rejects.toMatchObject({
    code: 'UNSUPPORTED',
  });
});

test('makes folders with what they lie in, and says when one was there', async () => {
  plant(folder, 'file');
  const account = await open();
  expect(await account.makeContainer(join(folder, 'a/b'), never)).toBe('made');
  expect(await account.makeContainer(join(folder, 'a/b'), never)).toBe('existed');
  for (const name of ['file', 'file/x']) {
    await expect(account.makeContainer(join(folder, name), never)).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  }
});

test.runIf(isLinux)('ends where no folder can be made', async () => {
  const account = await open();
  await expect(account.makeContainer('/proc/drover/a/b', never)).rejects.toMatchObject({
    code: 'INVALID_INPUT',
    field: 'container',
  });
});

test('browses containers, then folders and files', async () => {
  plant(folder, 'b/x', 'a/', 'a-file', 'b/.drover-run00000001-0123456789abcdef.part');
  const account = await open({ root: folder });
  const itemsOf = async (path: Place | null): Promise<string[]> => {
    const items: string[] = [];
    for await (const page of account.browse(path, never))
      items.push(...page.items.map(({ kind, name }) => `${kind} ${name}`));
    return items;
  };
  expect(await itemsOf(null)).toEqual(['container a', 'container b']);
  expect(await itemsOf({ container: folder, prefix: '' })).toEqual(['object a-file', 'folder a/', 'folder b/']);
  expect(await itemsOf({ container: 'b', prefix: '' })).toEqual(['object x']);
  await expect(itemsOf({ container: 'none', prefix: '' })).rejects.toMatchObject({ code: 'PLACE_NOT_FOUND' });
});

describe('a target that nothing can be written to says so before anything', () => {
  const readyAt = async (container: string, prefix = ''): Promise<void> => {
    const account = await open();
    const target = await account.target({ container, prefix }, { facts: null, runId: 'run00000001' }, never);
    await target.ready?.(never);
  };

  test('a folder that may only be read', async () => {
    plant(folder, 'closed/a');
    chmodSync(join(folder, 'closed'), 0o555);
    await asNobody(async () => {
      for (const [container, prefix] of [
        ['closed', ''],
        ['closed/new', ''],
        ['closed', 'new/deeper/'],
      ] as const) {
        await expect(readyAt(join(folder, container), prefix), container + prefix).rejects.toMatchObject({
          code: 'PERMISSION_DENIED',
          message: expect.stringContaining(`Writing into the folder ${join(folder, 'closed')} failed`),
          remedy: expect.stringContaining('missing right'),
        });
      }
    });
  });

  test('a file in the place of a folder', async () => {
    plant(folder, 'file', 'box/file');
    await expect(readyAt(join(folder, 'file'))).rejects.toMatchObject({ code: 'PLACE_NOT_FOUND' });
    for (const prefix of ['file/', 'file/deeper/']) {
      await expect(readyAt(join(folder, 'box'), prefix), prefix).rejects.toMatchObject({
        code: 'PLACE_NOT_FOUND',
        message: expect.stringContaining(join(folder, 'box', 'file')),
      });
    }
  });

  test('and what can be written to is left as it was', async () => {
    plant(folder, 'box/a');
    await readyAt(join(folder, 'box'));
    await readyAt(join(folder, 'new'));
    await readyAt(join(folder, 'box'), 'not/there/');
    expect(everythingIn(folder)).toEqual(['box/', 'box/a']);
  });
});

describe('check', () => {
  const place = (container: string): Place => ({ container, prefix: '' });

  test('tries what it says, and leaves nothing', async () => {
    plant(folder, 'a');
    const account = await open();
    expect(await checkOf(account, null, 'both')).toEqual(['identity ok']);
    expect(await checkOf(account, place(folder), 'both')).toEqual([
      'identity ok',
      'container ok',
      'list ok',
      'read ok',
      'write ok',
      'delete ok',
    ]);
    expect(await checkOf(account, place(folder), 'read')).toEqual([
      'identity ok',
      'container ok',
      'list ok',
      'read ok',
    ]);
    expect(everythingIn(folder)).toEqual(['a']);
  });

  test('names what is refused, and why', async () => {
    plant(folder, 'closed/secret', 'dark/a');
    chmodSync(join(folder, 'closed/secret'), 0);
    chmodSync(join(folder, 'closed'), 0o555);
    chmodSync(join(folder, 'dark'), 0);
    await asNobody(async () => {
      const account = await open();
      expect(await checkOf(account, place(join(folder, 'closed')), 'both')).toEqual([
        'identity ok',
        'container ok',
        'list ok',
        'read refused',
        'write refused',
      ]);
      expect(await checkOf(account, place(join(folder, 'dark')), 'both')).toEqual(['identity ok', 'container refused']);
      expect(await checkOf(account, place(join(folder, 'closed/new')), 'write')).toEqual([
        'identity ok',
        'container warning',
        'write refused',
      ]);
    });
    chmodSync(join(folder, 'dark'), 0o755);
  });

  test('of a folder that is not there yet', async () => {
    mkdirSync(join(folder, 'x'));
    const account = await open();
    expect(await checkOf(account, place(join(folder, 'x/new')), 'write')).toEqual([
      'identity ok',
      'container warning',
      'write ok',
      'delete ok',
    ]);
    const deeper = { container: join(folder, 'x/new/deeper'), prefix: '' };
    expect(await checkOf(account, deeper, 'write')).toEqual(['identity ok', 'container warning', 'write refused']);
    const prefixed = { container: join(folder, 'x'), prefix: 'not/there/' };
    expect((await checkOf(account, prefixed, 'write')).slice(2)).toEqual(['write ok', 'delete ok']);
    expect(await checkOf(account, place(join(folder, 'x/new')), 'read')).toEqual(['identity ok', 'container refused']);
    expect(everythingIn(folder)).toEqual(['x/']);
  });

  test('of a folder without files says that reading is not known', async () => {
    expect(await checkOf(await open(), place(folder), 'read')).toEqual([
      'identity ok',
      'container ok',
      'list ok',
      'read unknown',
    ]);
  });
});
