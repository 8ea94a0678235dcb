import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseConfig } from '../../contract/config.ts';
import { conformance, type Bench, type Harness } from '../../conformance/kit.ts';
import { retrying } from '../../lib/retry.ts';
import { systemClock, systemRandom } from '../../lib/system.ts';
import { keyFromBytes } from '../../model/key.ts';
import { parseOwnName } from './names.ts';
import { local } from './provider.ts';
import { bytesOf, contextOf, makeFolder, optionsOf, pathOf } from './testing.ts';

const MANY_KEYS = 10_000;

async function open(): Promise<Bench> {
  const { folder, removeFolder } = makeFolder();
  const container = join(folder, 'place');
  mkdirSync(container);
  const parsed = parseConfig(local.account, { root: folder });
  if (!('config' in parsed)) throw new Error('the configuration is wrong');
  const logged: string[] = [];
  const context = contextOf((level, message, details) => logged.push(JSON.stringify([level, message, details])));
  const { config } = parsed;
  const reopen = () => local.open(config, context);
  const account = await reopen();
  return {
    account,
    config,
    place: { container, prefix: '' },
    reopen,
    absentContainer: join(folder, 'nowhere/deeper'),
    async seed(key, content) {
      const path = pathOf(container, key.endsWith('/') ? key.slice(0, -1) : key);
      mkdirSync(key.endsWith('/') ? path : parentOf(path), { recursive: true });
      if (key.endsWith('/')) return;
      const before = timeOf(path);
      // Until the clock of the file system shows it: that of older kernels moves in steps of milliseconds.
      do writeFileSync(path, content);
      while (timeOf(path) === before);
    },
    async seedMany(keys, content) {
      for (const key of keys) {
        const path = pathOf(container, key);
        mkdirSync(parentOf(path), { recursive: true });
        writeFileSync(path, content);
      }
    },
    async peek(key) {
      try {
        return readFileSync(pathOf(container, key));
      } catch {
        return null;
      }
    },
    async wipe(key) {
      rmSync(pathOf(container, key.endsWith('/') ? key.slice(0, -1) : key), { recursive: true, force: true });
    },
    async keys() {
      return filesIn(Buffer.from(container), '').filter((key) => !isOwn(key));
    },
    async leftovers() {
      return filesIn(Buffer.from(container), '').filter(isOwn);
    },
    async foreignUpload(key) {
      const other = await (
        await reopen()
      ).target({ container, prefix: '' }, { facts: null, runId: 'foreign1' }, signal);
      await other.facets.parts?.begin(key, 10, 5, optionsOf());
    },
    openReadings: () => openFilesIn(container),
    logged,
    async [Symbol.asyncDispose]() {
      await account[Symbol.asyncDispose]();
      removeFolder();
    },
  };
}

const signal = new AbortController().signal;

const harness: Harness = {
  name: 'local',
  provider: local,
  level: 'live',
  open: () => open(),
  config: async () => ({ root: '/' }),
  production: {
    wrap: (openTransport) => openTransport,
    retry: (work, stop) => retrying(work, { clock: systemClock, random: systemRandom, signal: stop, attemptsMax: 3 }),
  },
  manyKeys: MANY_KEYS,
  exempt: {
    'writing: an empty folder is kept as one':
      'a file system cannot tell a folder that was made for its own sake once something is inside; tested in writing.test.ts',
  },
  errors: [
    {
      name: 'a file in the way of a folder',
      code: 'UNREPRESENTABLE',
      async provoke(bench) {
        await bench.seed('a', bytesOf('x'));
        const target = await bench.account.target(bench.place, { facts: null, runId: 'kit000000' }, signal);
        return target.write('a/b', { sizeBytes: 0, content: bytesOf('') }, optionsOf());
      },
    },
    {
      name: 'a place outside of the root',
      code: 'PERMISSION_DENIED',
      field: 'root',
      provoke: (bench) => bench.account.source({ container: '/usr', prefix: '' }, { versions: 'current' }, signal),
    },
    {
      name: 'a root that is not there',
      code: 'INVALID_INPUT',
      field: 'root',
      provoke: (bench) => local.open({ root: bench.absentContainer }, contextOf()),
    },
  ],
};

conformance(harness);

/** Files below the folder that this process has open; 0 where the system does not tell. */
function openFilesIn(container: string): number {
  try {
    return readdirSync('/proc/self/fd').filter((name) => linkOf(`/proc/self/fd/${name}`).startsWith(`${container}/`))
      .length;
  } catch {
    return 0;
  }
}

function timeOf(path: Buffer): bigint | null {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.mtimeNs ?? null;
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

function parentOf(path: Buffer): Buffer {
  return Buffer.from(dirname(path.toString('latin1')), 'latin1');
}

function isOwn(key: string): boolean {
  return parseOwnName(key.slice(key.lastIndexOf('/') + 1)) !== null;
}

function filesIn(folder: Buffer, prefix: string): string[] {
  return readdirSync(folder, { withFileTypes: true, encoding: 'buffer' }).flatMap((entry) => {
    const path = Buffer.concat([folder, Buffer.from('/'), entry.name]);
    const key = prefix + keyFromBytes(entry.name);
    return entry.isDirectory() ? filesIn(path, `${key}/`) : [key];
  });
}
