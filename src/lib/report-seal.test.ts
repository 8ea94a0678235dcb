/** A sealed report says of itself whether it is as it was made, and what was changed. */
import { generateKeyPairSync, sign } from 'node:crypto';
import { expect, test } from 'vitest';
import { checkSeal, partsOf, partsText, sealedJson, sealedPage, type Seal } from './report-seal.ts';

const PAIR = generateKeyPairSync('ed25519');
const KEY = keyText(PAIR);
const OTHER = generateKeyPairSync('ed25519');
const REPORT = {
  format: 'drover-validation-report',
  isClean: false,
  counters: { items: { failed: 1, copied: 9 }, bytes: { copied: 90 } },
  findings: ['1 object failed.'],
  issues: { rows: Array.from({ length: 100 }, (_, at) => ({ key: `k/${at}`, result: 'failed' })) },
};
const BODY = Buffer.from(JSON.stringify(REPORT));
const PAGE = Buffer.from(`<!doctype html>\n${'<p>1 object failed.</p>\n'.repeat(200)}</html>\n`);

function keyText({ publicKey }: typeof PAIR): string {
  return publicKey.export({ format: 'der', type: 'spki' }).toString('base64');
}

function sealOf(content: Buffer, report: unknown, pair = PAIR): Seal {
  const parts = partsOf(content, report);
  return {
    sha256: 'not looked at',
    signature: sign(null, content, pair.privateKey).toString('base64'),
    publicKey: keyText(pair),
    parts,
    partsSignature: sign(null, partsText(parts), pair.privateKey).toString('base64'),
  };
}

const JSON_FILE = Buffer.from(sealedJson(BODY, sealOf(BODY, REPORT))).toString();
const PAGE_FILE = Buffer.from(sealedPage(PAGE, sealOf(PAGE, null))).toString();

/** With other words in the report, and the seal as it was. */
function edited(change: (report: string) => string): string {
  const file = JSON.parse(JSON_FILE) as { report: string };
  return JSON.stringify({ ...file, report: change(file.report) });
}

test('as it was made', () => {
  expect(checkSeal(JSON_FILE, KEY)).toEqual({ isGenuine: true, publicKey: KEY, problems: [] });
  expect(checkSeal(PAGE_FILE, KEY)).toEqual({ isGenuine: true, publicKey: KEY, problems: [] });
});

test.each<[string, string, RegExp[]]>([
  [
    'a sum',
    edited((text) => text.replace('"failed":1', '"failed":0')),
    [/between byte 0 and byte 1023/, /^The field \/counters\/items was changed\.$/],
  ],
  [
    'the verdict',
    edited((text) => text.replace('"isClean":false', '"isClean":true')),
    [/byte/, /^The field \/isClean was changed\.$/],
  ],
  [
    'a row far down',
    edited((text) => text.replace('"k/99"', '"k/98"')),
    [/between byte 3072 and/, /\/issues\/rows was changed/],
  ],
  [
    'a field taken away',
    edited((text) => text.replace('"findings":["1 object failed."],', '')),
    [/byte/, /\/findings was taken away/],
  ],
  ['a field put in', edited((text) => text.replace('{', '{"by":"me",')), [/byte 0/, /\/by was added/]],
  ['only spaces', edited((text) => text.replace(',', ', ')), [/byte 0/]],
  ['the end cut off', edited((text) => text.slice(0, 1_024)), [/ends after byte 1024/, /no JSON/]],
  ['something behind it', edited((text) => `${text} `), [/between byte/]],
  ['one letter of a page', PAGE_FILE.replace('</html>', '</hxml>'), [/between byte 4096 and/]],
  ['a sentence of a page', PAGE_FILE.replace('1 object failed', '0 object failed'), [/between byte 0 and byte 1023/]],
  ['something behind a page', `${PAGE_FILE}<p>Clean.</p>`, [/no signed report/]],
  ['a page without its seal', PAGE.toString(), [/no signed report/]],
  ['only the signature', JSON_FILE.replace(/"signature":"..../, '"signature":"AAAA'), [/its signature was changed/]],
  ['nothing of it', 'hello', [/no signed report/]],
  ['other JSON', '{"report":{}}', [/no signed report/]],
])('what was changed is named: %s', (_what, file, problems) => {
  const found = checkSeal(file, KEY);
  expect(found.isGenuine).toBe(false);
  expect(found.problems).toHaveLength(problems.length);
  for (const [at, problem] of problems.entries()) expect(found.problems[at]).toMatch(problem);
});

test('made anew with another key it is not of this server, whatever key it names', () => {
  const body = Buffer.from(JSON.stringify({ ...REPORT, isClean: true }));
  const forged = sealOf(body, REPORT, OTHER);
  const found = checkSeal(Buffer.from(sealedJson(body, forged)).toString(), KEY);
  expect(found).toMatchObject({ isGenuine: false, publicKey: keyText(OTHER) });
  expect(found.problems[0]).toContain('sealed with another key');
  const renamed = Buffer.from(sealedJson(body, { ...forged, publicKey: KEY })).toString();
  expect(checkSeal(renamed, KEY).problems).toEqual([expect.stringContaining('cannot be told')]);
});
