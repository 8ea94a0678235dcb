/** The memory provider keeps the contract, as capable as it can be and as poor as a store may be. */
import { conformance } from '../../conformance/kit.ts';
import { retrying } from '../../lib/retry.ts';
import { DroverError } from '../../model/errors.ts';
import { ALL_NAMES } from '../../model/names.ts';
import { contextFor, memoryHarness, PASSPHRASE } from '../../../test/memory-harness.ts';
import { createMemoryProvider, HONEST_FACTS, MemoryStore } from './provider.ts';

const { clock, random } = contextFor([]);

conformance(
  memoryHarness({
    production: {
      wrap: (open) => open,
      retry: (work, signal) => retrying(work, { clock, random, signal, attemptsMax: 5 }),
    },
    errors: [
      {
        name: 'a wrong passphrase',
        code: 'UNAUTHENTICATED',
        field: 'passphrase',
        async provoke(bench, signal) {
          const store = new MemoryStore({ passphrase: PASSPHRASE });
          const account = await createMemoryProvider(store).open({ ...bench.config, passphrase: 'no' }, contextFor([]));
          return account.source(bench.place, { versions: 'current' }, signal);
        },
      },
      {
        name: 'a container without a name',
        code: 'INVALID_INPUT',
        field: 'container',
        provoke: (bench, signal) => bench.account.makeContainer('', signal),
      },
      {
        name: 'a cursor of another listing',
        code: 'INVALID_INPUT',
        async provoke(bench, signal) {
          const source = await bench.account.source(bench.place, { versions: 'current' }, signal);
          for await (const page of source.scan({ from: null, to: null, resume: 42 }, signal)) {
            throw new DroverError('INTERNAL', `It gave a page of ${page.entries.length} entries.`);
          }
        },
      },
    ],
  }),
);

conformance(
  memoryHarness({
    name: 'memory at its poorest',
    behaviour: {
      order: 'none',
      seek: 'none',
      pageSize: 100,
      listedDigests: [],
      provableDigests: [],
      timePrecisionMs: null,
      recordsSource: false,
      carries: { headers: false, metadata: false, tags: false, emptyFolders: false, storageClasses: [] },
      facts: {
        ...HONEST_FACTS,
        createOnly: 'ignored',
        matchOnWrite: 'ignored',
        matchOnComplete: 'ignored',
        matchOnDelete: 'ignored',
        contentMd5: 'ignored',
        checksums: {},
        returned: [],
      },
      names: {
        ...ALL_NAMES,
        keyBytesMax: 400,
        segmentBytesMax: 255,
        emptySegments: false,
        dotSegments: false,
        trailingDot: false,
        trailingSpace: false,
        trailingSlashContent: false,
        forbidden: [{ from: 0, to: 31 }],
        invalidUtf8: false,
        objectAndPrefix: false,
        caseSensitive: false,
      },
      without: ['tags', 'partSizes', 'restore', 'references', 'serverSideCopy', 'properties'],
    },
    manyKeys: 1000,
  }),
);
