import { describe, expect, test } from 'vitest';
import fc from 'fast-check';
import { subPathOf, writtenPath } from '../contract/places.ts';
import { azureBlob } from '../providers/azure-blob/provider.ts';
import { local } from '../providers/local/provider.ts';
import { s3 } from '../providers/s3/provider.ts';
import { typedPath } from './paths.ts';

const S3 = s3.manifest;

describe('a typed path', () => {
  test.each<[string, string, RegExp[]]>([
    ['', '', []],
    ['/', '', []],
    ['a', 'a/', []],
    ['a/b/', 'a/b/', []],
    ['a.b/..c', 'a.b/..c/', []],
    ['/a', 'a/', [/slash at the beginning.*left out.*"a\/"/]],
    ['//a', '/a/', [/slash at the beginning/, /"\/a\/" has an empty name/]],
    ['x//y', 'x//y/', [/"x\/\/y\/" has an empty name between its slashes/]],
    ['../..', '../../', [/".." in it.*nowhere up/]],
    ['a/./b', 'a/./b/', [/"." or ".." in it/]],
  ])('%j is %j', (text, path, warnings) => {
    expect(typedPath(text, 'at', S3)).toEqual({
      path,
      warnings: warnings.map((words) => expect.stringMatching(words)),
    });
  });

  test.each([
    [S3, 'x'.repeat(1_023), '', /1024 bytes.*at most 1024: nothing can lie below/],
    [S3, 'ü'.repeat(10), `${'x'.repeat(1_003)}/`, /1025 bytes/],
    [S3, '4'.repeat(4_000), '', /4001 bytes/],
    [azureBlob.manifest, 'x'.repeat(1_024), '', /characters/],
    [azureBlob.manifest, '../a', '', /cannot hold as a name/],
    [local.manifest, 'a//b', '', /empty name/],
    [local.manifest, '..', '', /cannot hold as a name/],
    [local.manifest, `a/${'x'.repeat(256)}`, '', /more than 255 bytes/],
  ])('of %#: nothing can lie below it, and its field is named', (manifest, text, above, words) => {
    const refusal = { code: 'INVALID_INPUT', field: 'place.prefix', message: expect.stringMatching(words) };
    expect(() => typedPath(text, 'place.prefix', manifest, above)).toThrow(expect.objectContaining(refusal));
  });

  test('fits where one byte is left', () => {
    expect(typedPath('x'.repeat(1_022), 'at', S3).path).toHaveLength(1_023);
  });

  test('is written so that it is read as the same', () => {
    const folder = fc.string().map((text) => (text === '' ? '' : `${text}/`));
    fc.assert(fc.property(folder, (path) => subPathOf(writtenPath(path)) === path));
  });
});
