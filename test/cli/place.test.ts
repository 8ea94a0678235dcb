import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { objectPlace, parsePlace, prefixPlace } from '../../src/cli/place.ts';
import { placesOverlap } from '../../src/contract/places.ts';

describe('a place is a connector and what follows, or a local path', () => {
  test.each([
    ['acme:photos', { connector: 'acme', container: 'photos', path: '' }],
    ['acme:photos/', { connector: 'acme', container: 'photos', path: '' }],
    ['Acme_2-b:photos/2024', { connector: 'Acme_2-b', container: 'photos', path: '2024' }],
    ['acme:photos//a/../b /', { connector: 'acme', container: 'photos', path: '/a/../b /' }],
    ['acme:', { connector: 'acme', container: '', path: '' }],
    ['acme:b/c:d', { connector: 'acme', container: 'b', path: 'c:d' }],
    ['acme:b:c/d', { connector: 'acme', container: 'b:c', path: 'd' }],
  ])('%s', (text, expected) => {
    expect(parsePlace(text)).toEqual({ kind: 'remote', text, ...expected });
  });

  test.each(['photos', './a:b', '/tmp/x', '../a', 'a/b:c', 'C:\\photos', '1a:b', '-a:b', ':b', 'ä:b', 'a b:c'])(
    '%s is local',
    (text) => {
      expect(parsePlace(text)).toEqual({ kind: 'local', text });
    },
  );

  test.each([[''], ['acme:/photos'], ['acme://photos']])('"%s" is refused', (text) => {
    expect(() => parsePlace(text)).toThrowError(expect.objectContaining({ code: 'USAGE' }));
  });

  test('whatever stands after the bucket comes back letter by letter', () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^[A-Za-z][A-Za-z0-9_-]{1,20}$/),
        fc.string({ minLength: 1 }).filter((text) => !text.includes('/')),
        fc.string(),
        (name, bucket, path) => {
          const place = parsePlace(`${name}:${bucket}/${path}`);
          expect(place).toMatchObject({ kind: 'remote', connector: name, container: bucket, path });
        },
      ),
    );
  });
});

describe('a path is a prefix or one object', () => {
  test.each([
    ['', '', null],
    ['p', 'p/', { prefix: '', key: 'p' }],
    ['p/', 'p/', { prefix: '', key: 'p' }],
    ['a/b', 'a/b/', { prefix: 'a/', key: 'b' }],
    ['a//b', 'a//b/', { prefix: 'a//', key: 'b' }],
    ['/', '/', null],
    ['//', '//', { prefix: '', key: '/' }],
    ['a//', 'a//', { prefix: '', key: 'a/' }],
    ['/a', '/a/', { prefix: '/', key: 'a' }],
  ])('%j', (path, prefix, object) => {
    expect(prefixPlace('b', path)).toEqual({ container: 'b', prefix });
    const expected = object === null ? null : { place: { container: 'b', prefix: object.prefix }, key: object.key };
    expect(objectPlace('b', path)).toEqual(expected);
  });

  test('folder and key of the object together are the path', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('a', '/', '.', 'é') }), (path) => {
        const found = objectPlace('b', path);
        if (found === null) expect(path.replace(/\/$/, '')).toBe('');
        else {
          expect(found.place.prefix + found.key).toBe(path.replace(/\/$/, ''));
          expect(found.place.prefix === '' || found.place.prefix.endsWith('/')).toBe(true);
          expect(found.key).not.toBe('');
        }
      }),
    );
  });
});

describe('places that lie inside one another', () => {
  const at = (container: string, prefix: string) => ({ container, prefix });
  test.each([
    [at('b', ''), null, at('b', ''), true],
    [at('b', 'p/'), null, at('b', 'p/'), true],
    [at('b', 'p/'), null, at('b', ''), true],
    [at('b', ''), null, at('b', 'p/'), true],
    [at('b', 'p/'), null, at('b', 'pq/'), false],
    [at('b', 'p/'), null, at('c', 'p/'), false],
    [at('bc', ''), null, at('b', ''), false],
    [at('b', 'p/'), 'x', at('b', 'p/'), true],
    [at('b', 'p/'), 'x', at('b', 'p/q/'), false],
    [at('b', 'p/'), 'x', at('b', ''), true],
    [at('/home/a', ''), null, at('/home/a/b', ''), true],
    [at('/home/a/b', ''), null, at('/home/a', ''), true],
    [at('/home/ab', ''), null, at('/home/a', ''), false],
    [at('/', ''), null, at('/home', ''), true],
  ])('%j (%j) and %j: %s', (source, only, target, expected) => {
    expect(placesOverlap(source, only, target)).toBe(expected);
  });
});
