import { LineCounter, parseDocument } from 'yaml';
import { describe, expect, test } from 'vitest';
import { yamlValue } from './yaml-value.ts';

function read(text: string) {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  expect(document.errors).toEqual([]);
  return yamlValue(document, lines);
}

describe('what can be read', () => {
  test.each([
    ['a: 1\nb: [x, null]\n', { a: 1, b: ['x', null] }],
    ['', null],
    ['a: &one { x: 1 }\nb: *one\n', { a: { x: 1 }, b: { x: 1 } }],
    ['a: &one [1]\nb: &two [*one, *one]\nc: *two\n', { a: [1], b: [[1], [1]], c: [[1], [1]] }],
    ['a: &x 1\nb: &x 2\nc: *x\n', { a: 1, b: 2, c: 2 }],
  ])('%j', (text, value) => expect(read(text)).toEqual({ value }));

  test('one thing said once and meant by thousands', () => {
    const text = `base: &base { mode: mirror }\nall:\n${'  - *base\n'.repeat(5_000)}`;
    expect((read(text) as { value: { all: unknown[] } }).value.all).toHaveLength(5_000);
  });
});

describe('what cannot', () => {
  test.each([
    ['drover: 1\nconnectors: &a [*a]\n', 2, 17, '*a'],
    ['a: 1\nb: &b\n  c:\n    - d: *b\n', 4, 10, '*b'],
    ['a: *later\nb: &later 1\n', 1, 4, '*later'],
    ['? &k [*k]\n: 1\n', 1, 7, '*k'],
  ])('%j', (text, line, column, alias) => {
    expect(read(text)).toEqual({ fault: { line, column, message: expect.stringContaining(alias) as string } });
  });

  test('what grows beyond any document', () => {
    const names = Array.from({ length: 12 }, (_, at) => `a${at}`);
    const rows = names.map((name, at) => {
      const one = at === 0 ? 'x' : `*${names[at - 1]}`;
      return `${name}: &${name} [${Array.from({ length: 10 }, () => one).join(', ')}]`;
    });
    const { fault } = read(rows.join('\n')) as { fault: { line: number; message: string } };
    expect(fault.message).toContain('1,000,000');
    expect(fault.line).toBeGreaterThan(5);
    expect(fault.line).toBeLessThan(9);
  });
});
