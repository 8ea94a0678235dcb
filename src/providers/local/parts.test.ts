import { spawn } from 'node:child_process';
import { appendFileSync, linkSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Parts, PartReceipt, Upload } from '../../contract/provider.ts';
import { digestOf } from '../../lib/hash.ts';
import { sweepLeftovers } from './provider.ts';
import { bytesOf, everythingIn, makeFolder, never, optionsOf, plant, RUN_ID, targetOf } from './testing.ts';

let folder: string;
let removeFolder: () => void;
let parts: Parts;

beforeEach(async () => {
  ({ folder, removeFolder } = makeFolder());
  parts = await anotherProcess();
});
afterEach(() => removeFolder());

/** Nothing of what the first one knew in memory. */
async function anotherProcess(runId = RUN_ID): Promise<Parts> {
  return (await targetOf(folder, '', runId)).facets.parts!;
}

const CONTENT = bytesOf('aaaaabbbbbccc');
const WHOLE = { crc64nvme: digestOf('crc64nvme', CONTENT) };
const bodyAt = (index: number, content = CONTENT) => {
  const piece = content.slice(index * 5, index * 5 + 5);
  return { sizeBytes: piece.length, content: piece };
};
const begin = () => parts.begin('deep/a', 13, 5, optionsOf());
const putAll = async (upload: Upload, from = 0) => {
  const receipts: PartReceipt[] = [];
  for (let i = from; i < 3; i++) receipts.push(await parts.put(upload, i, bodyAt(i), {}, never));
  return receipts;
};

test('parts in any order make the object, which is proved whole', async () => {
  const upload = await begin();
  const receipts = [
    await parts.put(upload, 2, bodyAt(2), {}, never),
    ...(await Promise.all([0, 1].map((i) => parts.put(upload, i, bodyAt(i), {}, never)))),
  ];
  expect(receipts[0]).toMatchObject({
    index: 2,
    sizeBytes: 3,
    proved: { crc64nvme: digestOf('crc64nvme', bytesOf('ccc')) },
  });
  const written = await parts.complete(
    upload,
    receipts,
    optionsOf({ digests: WHOLE, modifiedAtMs: 1_600_000_000_123 }),
  );
  expect(written.proved).toEqual(WHOLE);
  expect(written.entry).toEqual(await (await targetOf(folder)).stat('deep/a', never));
  expect(written.entry.modifiedAtMs).toBe(1_600_000_000_123);
  expect(readFileSync(join(folder, 'deep/a'), 'utf8')).toBe('aaaaabbbbbccc');
  expect(everythingIn(folder)).toEqual(['deep/', 'deep/a']);
});

test('another process finds, lists and finishes what one began; foreign ones and other runs stay unseen', async () => {
  const upload = await begin();
  await parts.put(upload, 0, bodyAt(0), {}, never);
  await parts.put(upload, 1, bodyAt(1), {}, never);
  expect(await (await anotherProcess('run00000002')).find('deep/a', 0, never)).toEqual([]);
  parts = await anotherProcess();
  expect(await parts.find('deep/b', 0, never)).toEqual([]);
  expect(await parts.find('other/a', 0, never)).toEqual([]);
  expect(await parts.find('deep/a', upload.startedAtMs + 16 * 60_000, never)).toEqual([]);
  const [found] = await parts.find('deep/a', upload.startedAtMs + 14 * 60_000, never);
  expect(found).toEqual(upload);
  const known = await parts.list(found!, never);
  expect(known.map(({ index, sizeBytes }) => [index, sizeBytes])).toEqual([
    [0, 5],
    [1, 5],
  ]);
  const written = await parts.complete(found!, [...known, ...(await putAll(found!, 2))], optionsOf({ digests: WHOLE }));
  expect(written.proved).toEqual(WHOLE);
});

test('a part that is sent again counts with its new bytes only', async () => {
  const upload = await begin();
  const other = await parts.put(upload, 0, { sizeBytes: 5, content: bytesOf('XXXXX') }, {}, never);
  const receipts = await putAll(upload);
  await expect(parts.complete(upload, [other, ...receipts.slice(1)], optionsOf())).rejects.toMatchObject({
    code: 'CHANGED',
  });
  const written = await parts.complete(upload, receipts, optionsOf());
  expect(written.proved).toEqual(WHOLE);
});

test('a part that was cut off while it was sent again is not there', async () => {
  const upload = await begin();
  await putAll(upload);
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield bytesOf('ZZ');
    throw new Error('cut off');
  }
  await expect(parts.put(upload, 1, { sizeBytes: 5, content: broken() }, {}, never)).rejects.toThrow('cut off');
  parts = await anotherProcess();
  expect((await parts.list(upload, never)).map(({ index }) => index)).toEqual([0, 2]);
});

test('a wrong digest of a part, or of the whole, is CORRUPTED', async () => {
  const upload = await begin();
  const wrong = { sha256: '0'.repeat(64) };
  await expect(parts.put(upload, 0, bodyAt(0), wrong, never)).rejects.toMatchObject({ code: 'CORRUPTED' });
  expect(await parts.list(upload, never)).toEqual([]);
  const receipts = await putAll(upload);
  const options = optionsOf({ digests: { crc64nvme: '0'.repeat(16) } });
  await expect(parts.complete(upload, receipts, options)).rejects.toMatchObject({ code: 'CORRUPTED' });
  expect(everythingIn(folder).filter((name) => name.endsWith('/a'))).toEqual([]);
});

describe('completing', () => {
  test('with a part missing is refused, and the upload can still be finished', async () => {
    const upload = await begin();
    const receipts = [
      await parts.put(upload, 0, bodyAt(0), {}, never),
      await parts.put(upload, 2, bodyAt(2), {}, never),
    ];
    await expect(parts.complete(upload, receipts, optionsOf())).rejects.toMatchObject({ code: 'EARLY_END' });
    const all = [...receipts, await parts.put(upload, 1, bodyAt(1), {}, never)];
    expect((await parts.complete(upload, all, optionsOf())).proved).toEqual(WHOLE);
  });

  test('again after it succeeded says the same; after somebody else wrote it is UPLOAD_LOST', async () => {
    const upload = await begin();
    const receipts = await putAll(upload);
    const options = optionsOf({ expect: { kind: 'absent' }, modifiedAtMs: 1_600_000_000_000 });
    const first = await parts.complete(upload, receipts, options);
    parts = await anotherProcess();
    expect(await parts.complete(upload, receipts, options)).toEqual(first);
    const target = await targetOf(folder);
    await target.write('deep/a', { sizeBytes: 13, content: CONTENT }, optionsOf());
    await expect(parts.complete(upload, receipts, options)).rejects.toMatchObject({ code: 'UPLOAD_LOST' });
  });

  test('again is not taken for done when the file only has the same number', async () => {
    const upload = await begin();
    const receipts = await putAll(upload);
    await parts.complete(upload, receipts, optionsOf());
    const reused = { ...upload, token: { ...(upload.token as object), born: '1' } };
    await expect(parts.complete(reused, receipts, optionsOf())).rejects.toMatchObject({ code: 'UPLOAD_LOST' });
  });

  test('cut off between its two steps is finished by trying again', async () => {
    const upload = await begin();
    const receipts = await putAll(upload);
    const partName = everythingIn(join(folder, 'deep')).find((name) => name.endsWith('.part'));
    linkSync(join(folder, 'deep', partName!), join(folder, 'deep/a'));
    parts = await anotherProcess();
    const written = await parts.complete(upload, receipts, optionsOf({ expect: { kind: 'absent' } }));
    expect(written.proved).toEqual(WHOLE);
    expect(everythingIn(folder)).toEqual(['deep/', 'deep/a']);
  });

  test('keeps the expectation', async () => {
    const upload = await begin();
    const receipts = await putAll(upload);
    plant(folder, 'deep/a');
    await expect(parts.complete(upload, receipts, optionsOf({ expect: { kind: 'absent' } }))).rejects.toMatchObject({
      code: 'CHANGED',
    });
    expect(readFileSync(join(folder, 'deep/a'), 'utf8')).toBe('deep/a');
  });

  test('content that was cut off by somebody is noticed', async () => {
    const upload = await begin();
    const receipts = await putAll(upload);
    const partName = everythingIn(join(folder, 'deep')).find((name) => name.endsWith('.part'));
    truncateSync(join(folder, 'deep', partName!), 7);
    await expect(parts.complete(upload, receipts, optionsOf())).rejects.toMatchObject({ code: 'EARLY_END' });
  });

  test('an empty object needs no part', async () => {
    const upload = await parts.begin('empty', 0, 5, optionsOf());
    expect((await parts.complete(upload, [], optionsOf())).entry.sizeBytes).toBe(0);
  });
});

test('a journal whose last line was cut off is read up to there', async () => {
  const upload = await begin();
  await parts.put(upload, 0, bodyAt(0), {}, never);
  const journal = everythingIn(join(folder, 'deep')).find((name) => name.endsWith('.journal'));
  appendFileSync(join(folder, 'deep', journal!), '{"index":1,"sizeBytes":5,"crc64n');
  expect((await parts.list(upload, never)).map(({ index }) => index)).toEqual([0]);
});

test('abort leaves nothing, may be repeated, and everything else is UPLOAD_LOST then', async () => {
  const upload = await begin();
  const receipts = await putAll(upload);
  await parts.abort(upload, never);
  await parts.abort(upload, never);
  expect(everythingIn(folder)).toEqual(['deep/']);
  await expect(parts.put(upload, 0, bodyAt(0), {}, never)).rejects.toMatchObject({ code: 'UPLOAD_LOST' });
  await expect(parts.list(upload, never)).rejects.toMatchObject({ code: 'UPLOAD_LOST' });
  await expect(parts.complete(upload, receipts, optionsOf())).rejects.toMatchObject({ code: 'UPLOAD_LOST' });
});

test('a part that does not fit the plan, and a token of somebody else, are refused', async () => {
  const upload = await begin();
  for (const [index, sizeBytes] of [
    [0, 4],
    [2, 5],
    [3, 5],
    [-1, 5],
  ] as const) {
    const body = { sizeBytes, content: new Uint8Array(sizeBytes) };
    await expect(parts.put(upload, index, body, {}, never)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  }
  plant(folder, 'victim');
  const evil = { ...upload, token: { ...(upload.token as object), part: '../victim', journal: '../victim' } };
  await expect(parts.abort(evil, never)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  expect(everythingIn(folder)).toContain('victim');
});

describe('sweeping', () => {
  test('takes this run’s leftovers, keeps uploads when asked to, and other runs’ files always', async () => {
    const upload = await begin();
    mkdirSync(join(folder, 'x'));
    writeFileSync(join(folder, `x/.drover-${RUN_ID}-0123456789abcdef.part`), 'half');
    writeFileSync(join(folder, 'x/.drover-run00000002-0123456789abcdef.part'), 'other');
    plant(folder, 'x/kept');
    const place = { container: folder, prefix: '' };
    expect(await sweepLeftovers(place, RUN_ID, { keepUploads: true, signal: never })).toBe(1);
    expect(await parts.list(upload, never)).toEqual([]);
    expect(await sweepLeftovers(place, RUN_ID, { keepUploads: false, signal: never })).toBe(2);
    expect(everythingIn(folder)).toEqual(['deep/', 'x/', 'x/.drover-run00000002-0123456789abcdef.part', 'x/kept']);
    expect(
      await sweepLeftovers({ container: join(folder, 'none'), prefix: '' }, RUN_ID, {
        keepUploads: false,
        signal: never,
      }),
    ).toBe(0);
  });

  test('a process that is killed in the middle leaves the old file, and only files that the sweep finds', async () => {
    plant(folder, 'a');
    const here = pathToFileURL(join(import.meta.dirname, 'testing.ts')).href;
    const code = `
      import { targetOf, optionsOf } from ${JSON.stringify(here)};
      const target = await targetOf(${JSON.stringify(folder)});
      const content = (async function* () {
        yield new Uint8Array(65536);
        process.stdout.write('.');
        // However late it is killed, the disk does not fill meanwhile.
        await new Promise(() => setInterval(() => undefined, 1000));
      })();
      await target.write('a', { sizeBytes: 2 ** 40, content }, optionsOf());`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
    expect(readFileSync(join(folder, 'a'), 'utf8')).toBe('a');
    expect(everythingIn(folder)).toHaveLength(2);
    expect(await sweepLeftovers({ container: folder, prefix: '' }, RUN_ID, { keepUploads: true, signal: never })).toBe(
      1,
    );
    expect(everythingIn(folder)).toEqual(['a']);
  });
});
