// Digests travel in hexadecimal and base64 and in both byte orders; a wrong turn would compare unequal or, worse, equal.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { base64ToHex, hexToBase64, reverseHexBytes } from './encode.ts';

const ROWS: [string, string, string][] = [
  ['', '', ''],
  ['ae8b14860a799888', 'rosUhgp5mIg=', '8898790a86148bae'],
  ['d41d8cd98f00b204e9800998ecf8427e', '1B2M2Y8AsgTpgAmY7PhCfg==', '7e42f8ec980980e904b2008fd98c1dd4'],
];
for (const [hex, base64, reversed] of ROWS) {
  test(`"${hex}"`, () => {
    expect(hexToBase64(hex)).toBe(base64);
    expect(base64ToHex(base64)).toBe(hex);
    expect(base64ToHex(base64.replaceAll('=', ''))).toBe(hex);
    expect(reverseHexBytes(hex)).toBe(reversed);
  });
}

test('upper case is understood and lower case comes back', () => {
  expect(base64ToHex(hexToBase64('ABCDEF'))).toBe('abcdef');
});

test('round trips', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
      const hex = Buffer.from(bytes).toString('hex');
      expect(base64ToHex(hexToBase64(hex))).toBe(hex);
      expect(reverseHexBytes(reverseHexBytes(hex))).toBe(hex);
    }),
  );
});

for (const text of ['abc', 'zz', '0x00', 'ab cd']) {
  test(`"${text}" is not hexadecimal`, () => {
    expect(() => hexToBase64(text)).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
  });
}
for (const text of ['a', '****', 'abc-3', '1B2M2Y8AsgTpgAmY7PhCfg==-2']) {
  test(`"${text}" is not base64`, () => {
    expect(() => base64ToHex(text)).toThrow(expect.objectContaining({ code: 'UNAVAILABLE' }));
  });
}
