import { describe, expect, test } from 'vitest';
import { nameOf, shortText } from './rows.ts';

describe('a name', () => {
  test.each(['Fotos 2024', 'a/b', 'naïve “quotes”', '写真', 'می‌خواهم', '👩‍👩‍👧'])('"%s" is one', (name) => {
    expect(nameOf(` ${name} `, 'name')).toBe(name);
  });

  // Names stand in questions, mails, logs and terminals: none may look like another line, or like another name.
  test.each([
    ['two lines', 'a"?\nDelete nothing'],
    ['a tab', 'a\tb'],
    ['an escape', 'a\u001b[2J'],
    ['a line of another kind', 'a\u2028b'],
    ['turned around', 'a\u202Efdp.exe'],
    ['isolated', 'a\u2067b'],
  ])('%s is none', (_why, name) => {
    expect(() => nameOf(name, 'name')).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT', field: 'name' }) as Error,
    );
  });

  test('descriptions may have several lines', () => {
    expect(shortText('a\n\tb', 'description', 10)).toBe('a\n\tb');
  });
});
