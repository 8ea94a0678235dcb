/** Names that break naive code, each with what it is known to break. Keys are relative to a place. */
import { keyLengthBytes } from '../model/key.ts';

export interface HardName {
  readonly title: string;
  readonly key: string;
}

/** Longest key of the object stores, in bytes; a place's prefix counts. */
const KEY_BYTES_MAX = 1024;

const FIXED: readonly (readonly [string, string])[] = [
  ['an empty segment in the middle', 'a//b'],
  ['two empty segments', 'a///b'],
  ['a leading slash', '/a'],
  ['two leading slashes', '//a'],
  ['a trailing slash with content', 'a/'],
  ['two trailing slashes with content', 'a//'],
  ['only a slash', '/'],
  ['a segment of one dot', 'a/./b'],
  ['a segment of two dots', 'a/../b'],
  ['climbing out', '../a'],
  ['climbing far out', '../../../../etc/passwd'],
  ['one dot alone', '.'],
  ['two dots alone', '..'],
  ['three dots', '...'],
  ['ending with a dot segment', 'a/.'],
  ['ending with two dots', 'a/..'],
  ['a hidden file', '.hidden'],
  ['a trailing dot', 'name.'],
  ['a folder with a trailing dot', 'folder./name'],
  ['a trailing space', 'name '],
  ['a leading space', ' name'],
  ['a folder with spaces at both ends', ' folder /name'],
  ['only a space', ' '],
  ['several spaces inside', 'a  b'],
  ['a plus sign', 'a+b'],
  ['a percent sign', '100%'],
  ['a percent sign before hexadecimal digits', 'a%41b'],
  ['a literal %2F', 'a%2Fb'],
  ['a literal %2f, doubly encoded', 'a%252fb'],
  ['a literal %00', 'a%00b'],
  ['an ampersand', 'a&b'],
  ['a question mark', 'a?b=c'],
  ['a hash sign', 'a#b'],
  ['equals and semicolon', 'a=b;c=d'],
  ['a colon', 'a:b'],
  ['what looks like a drive', 'C:/name'],
  ['what looks like an address', 'https://example.com/a?b#c'],
  ['at sign and comma', 'a@b,c'],
  ['reserved marks', "!$'()*~"],
  ['brackets', '[a]{b}(c)'],
  ['caret, grave and bar', '^`|'],
  ['a backslash', 'a\\b'],
  ['climbing out with backslashes', '..\\..\\a'],
  ['double quotes', 'a"b"c'],
  ['single quotes', "it's"],
  ['angle brackets and star', '<a>*'],
  ['a glob', 'a[0-9]?*.txt'],
  ['what ends a CDATA section', ']]>'],
  ['what looks like an entity', 'a&amp;b&lt;'],
  ['what looks like an element', '</Key><Key>x'],
  ['a tab', 'a\tb'],
  ['a line feed', 'a\nb'],
  ['a carriage return', 'a\rb'],
  ['both line ends', 'a\r\nb'],
  ['a line feed at the end', 'a\n'],
  ['a zero byte', 'a\u0000b'],
  ['a low control character', 'a\u0001b'],
  ['escape', 'a\u001bb'],
  ['delete', 'a\u007fb'],
  ['a C1 control character', 'a\u0085b'],
  ['letters with marks, composed', 'caf\u00e9'],
  ['letters with marks, decomposed', 'cafe\u0301'],
  ['a ligature', '\ufb01le'],
  ['a sharp s', 'stra\u00dfe'],
  ['a dotless i', '\u0131\u0130'],
  ['Japanese', '日本語/ファイル.txt'],
  ['Arabic', 'ملف.txt'],
  ['an emoji', '😀'],
  ['an emoji made of several', '👩‍👩‍👧‍👦.jpg'],
  ['below the surrogates', '\ud7ff'],
  ['a full-width tilde, sorted before emoji by bytes', '\uff5e'],
  ['the first character beyond 16 bits', '\u{10000}'],
  ['the last character', '\u{10ffff}'],
  ['private use', '\ue000'],
  ['a replacement character', 'a\ufffdb'],
  ['a byte order mark at the start', '\ufeffa'],
  ['no characters U+FFFE and U+FFFF', 'a\ufffe\uffffb'],
  ['right-to-left override', 'a\u202etxt.exe'],
  ['zero width', 'a\u200b\u200d\u2060b'],
  ['a no-break space', 'a\u00a0b'],
  ['a line separator', 'a\u2028b'],
  ['a byte that is not UTF-8', 'a\udc80b'],
  ['an overlong slash, not UTF-8', 'a\udcc0\udcafb'],
  ['a cut-off character, not UTF-8', 'a\udce2\udc82'],
  ['a reserved device', 'CON'],
  ['a reserved device with an extension', 'aux.txt'],
  ['a numbered device', 'folder/COM1'],
  ['an office lock file', '~$report.docx'],
  ['a lock file', '.lock'],
  ['a desktop file', 'desktop.ini'],
  ['a service folder', '_vti_cnf/x'],
  ['a tilde', '~'],
  ['what looks like an option', '-rf'],
  ['what looks like a place', 'name:path'],
  ['what looks like an inherited name', '__proto__'],
  ['what looks like a method', 'constructor/toString'],
  ['a number', '0'],
  ['a number with leading zeros', '007'],
];

/** All of them, with those whose length depends on what stands before them. */
export function hardNames(prefix: string): readonly HardName[] {
  const restBytes = KEY_BYTES_MAX - keyLengthBytes(prefix);
  const deep = 'd/'.repeat(40);
  return [
    ...FIXED.map(([title, key]) => ({ title, key })),
    { title: 'a segment of 255 bytes', key: `s/${'x'.repeat(255)}` },
    { title: 'a segment of 256 bytes', key: `s/${'x'.repeat(256)}` },
    { title: 'a segment of 255 bytes in 85 characters', key: `s/${'語'.repeat(85)}` },
    { title: 'a deep path', key: `${deep}name` },
    { title: 'a key of 1,024 bytes', key: exactly(restBytes, 'k') },
    { title: 'a key of 1,024 bytes of several-byte characters', key: exactly(restBytes, 'é') },
    { title: 'a key of 1,025 bytes', key: exactly(restBytes + 1, 'k') },
    { title: 'a key of 1,024 characters, but more bytes', key: exactly(restBytes * 2 - 40, 'é') },
  ];
}

/** Titles do not depend on a prefix. */
export const HARD_NAME_TITLES: readonly string[] = hardNames('').map((name) => name.title);

/** Sets of names that must stay apart. */
export const NEIGHBOUR_SETS: readonly { readonly title: string; readonly keys: readonly string[] }[] = [
  { title: 'an object beside a prefix of the same name', keys: ['a', 'a/b', 'a/b/c', 'a-', 'a0'] },
  { title: 'upper and lower case', keys: ['Readme.TXT', 'readme.txt', 'README.txt', 'ÄRGER', 'ärger'] },
  { title: 'composed and decomposed letters', keys: ['caf\u00e9', 'cafe\u0301', '\u212b', '\u00c5', 'A\u030a'] },
  { title: 'orders of UTF-8 and UTF-16', keys: ['\uff5e', '\u{1f600}', '\ufffd', '\ue000', '\u{10000}', 'z'] },
  { title: 'encoded and not', keys: ['a b', 'a+b', 'a%20b', 'a%2Bb', 'a%2520b', 'a%b'] },
  { title: 'slashes', keys: ['a/b', 'a//b', '/a/b', 'a/b/', 'a\\b', 'a%2Fb'] },
  { title: 'spaces at the ends', keys: ['name', 'name ', ' name', 'name.', 'name. '] },
  { title: 'invisible differences', keys: ['ab', 'a\u200bb', 'a\u00adb', '\ufeffab', 'ab\u2060'] },
];

/** So many bytes in segments of at most 200, filled with one character (and plain letters where it does not fit). */
function exactly(sizeBytes: number, character: string): string {
  const unitBytes = keyLengthBytes(character);
  let key = '';
  let restBytes = sizeBytes;
  while (restBytes > 0) {
    const segmentBytes = Math.min(restBytes, 200);
    const count = Math.floor(segmentBytes / unitBytes);
    key += character.repeat(count) + 'k'.repeat(segmentBytes - count * unitBytes);
    restBytes -= segmentBytes;
    if (restBytes === 0) break;
    // A separator takes a byte, and no key ends with one.
    key += restBytes === 1 ? 'k' : '/';
    restBytes -= 1;
  }
  return key;
}
