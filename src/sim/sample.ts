/** Sample trees that are the same every time: for the demo, and for tests that want every kind of object at once. */

import type { PutSettings, S3Service } from './s3-service.ts';
import { generated } from './content.ts';

export interface SampleObject {
  readonly key: string;
  readonly seed: number;
  readonly sizeBytes: number;
  readonly settings: PutSettings;
}

export interface SampleOptions {
  /** Ordinary small files beside the special ones. Default 200. */
  readonly files?: number;
  /** Size of the one large object; 0 leaves it out. Default 64 MiB. */
  readonly largeBytes?: number;
  /** Size of its parts. Default 8 MiB. */
  readonly partBytes?: number;
  /** Keys that many stores cannot hold, or not all of them side by side. Default true. */
  readonly oddKeys?: boolean;
  /** Objects in archive classes, which cannot be read before they are restored. Default false. */
  readonly archived?: boolean;
}

const FOLDERS = [
  'photos/2023',
  'photos/2024/winter',
  'documents',
  'documents/contracts/signed',
  'logs/app',
  'Ærø/été/日本語',
];

const TYPES = [
  ['.txt', 'text/plain; charset=utf-8'],
  ['.jpg', 'image/jpeg'],
  ['.json', 'application/json'],
  ['.pdf', 'application/pdf'],
  ['.bin', 'application/octet-stream'],
] as const;

/** Every kind of key that S3 allows and somebody stumbles over. */
export const ODD_KEYS: readonly string[] = [
  'a',
  'a/b',
  'folder marker/',
  'double//slash',
  '/leading slash',
  'trailing slash with content/',
  'dots/./and/../more',
  '..',
  'space at the end ',
  ' space at the start',
  'dot at the end.',
  'plus + and percent %41 and hash # and question ? and ampersand &',
  'quotes "double" \'single\' `back`',
  'back\\slash',
  'less < greater > pipe | star *',
  'colon: semicolon; equals= at@ comma,',
  'tab\tand newline\nin the name',
  'control \u0001 \u001f \u007f characters',
  'emoji 😀 beyond the plane',
  'fullwidth ～ before the emoji in bytes',
  'e\u0301 decomposed',
  'é composed',
  'UPPER lower',
  'upper LOWER',
  'con',
  'rtl \u202e override',
  'zero\u200bwidth',
  '[brackets] {braces} (parentheses)',
  '%2F',
  `${'long-'.repeat(50)}segment`,
  `deep/${'d/'.repeat(120)}end`,
  'x'.repeat(1024),
  'ü'.repeat(512),
];

export function sampleObjects(options: SampleOptions = {}): readonly SampleObject[] {
  const objects = [...ordinary(options.files ?? 200), ...special()];
  const largeBytes = options.largeBytes ?? 64 * 1024 * 1024;
  if (largeBytes > 0) {
    objects.push({
      key: 'videos/holiday.mp4',
      seed: 4242,
      sizeBytes: largeBytes,
      settings: { headers: { 'content-type': 'video/mp4' }, partBytes: options.partBytes ?? 8 * 1024 * 1024 },
    });
  }
  if (options.oddKeys !== false) objects.push(...odd());
  if (options.archived === true) objects.push(...archived());
  return objects;
}

function ordinary(count: number): SampleObject[] {
  return Array.from({ length: count }, (_, i) => {
    const [ending, type] = TYPES[i % TYPES.length]!;
    const name = `file-${String(i).padStart(6, '0')}${ending}`;
    return {
      key: `${FOLDERS[i % FOLDERS.length]!}/${name}`,
      seed: i + 1,
      // From nothing to about 200 kB, most of them small.
      sizeBytes: i % 17 === 0 ? 0 : ((i * 2_654_435) % 4096) * (i % 11 === 0 ? 50 : 1),
      settings: { headers: { 'content-type': type } },
    };
  });
}

function special(): SampleObject[] {
  return [
    {
      key: 'special/all headers.html.gz',
      seed: 9001,
      sizeBytes: 2048,
      settings: {
        headers: {
          'content-type': 'text/html; charset=utf-8',
          'content-encoding': 'gzip',
          'content-language': 'de-CH, en',
          'content-disposition': 'attachment; filename="page.html"',
          'cache-control': 'max-age=3600, public',
          expires: 'Thu, 01 Dec 2033 16:00:00 GMT',
        },
      },
    },
    {
      key: 'special/metadata.dat',
      seed: 9002,
      sizeBytes: 100,
      settings: {
        metadata: {
          author: 'Ada',
          'content-sha256': 'abc123',
          '1st-digit': 'first',
          city: 'Zürich',
          'with-dash': 'a=b; c',
        },
      },
    },
    {
      key: 'special/tags.dat',
      seed: 9003,
      sizeBytes: 100,
      settings: {
        tags: new Map([
          ['project', 'north'],
          ['cost center', '42'],
          ['owner', 'team@example.com'],
        ]),
      },
    },
    {
      key: 'special/marker/',
      seed: 9004,
      sizeBytes: 0,
      settings: { headers: { 'content-type': 'application/x-directory' } },
    },
    { key: 'special/infrequent.dat', seed: 9005, sizeBytes: 300, settings: { storageClass: 'STANDARD_IA' } },
    { key: 'special/no checksum.dat', seed: 9006, sizeBytes: 300, settings: { checksum: null } },
    {
      key: 'special/in small parts.dat',
      seed: 9007,
      sizeBytes: 1_000_000,
      settings: { partBytes: 300_000 },
    },
  ];
}

function odd(): SampleObject[] {
  return ODD_KEYS.map((key, i) => ({
    key,
    seed: 5000 + i,
    sizeBytes: key === 'folder marker/' ? 0 : 10 + i,
    settings: {},
  }));
}

function archived(): SampleObject[] {
  return ['GLACIER', 'DEEP_ARCHIVE'].map((storageClass, i) => ({
    key: `archive/${storageClass.toLowerCase()}.dat`,
    seed: 7000 + i,
    sizeBytes: 500,
    settings: { storageClass },
  }));
}

/** Puts the sample into a bucket that is there already. */
export function plantSample(service: S3Service, bucket: string, options: SampleOptions = {}): readonly SampleObject[] {
  const objects = sampleObjects(options);
  for (const { key, seed, sizeBytes, settings } of objects)
    service.putGenerated(bucket, key, seed, sizeBytes, settings);
  return objects;
}

/** The bytes of a sample object, for comparing with what arrived somewhere. */
export function* sampleBytes(object: SampleObject): Iterable<Uint8Array> {
  yield* generated(object.seed, object.sizeBytes).range(0, object.sizeBytes);
}
