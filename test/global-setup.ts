/** Starts what the tests need from npm packages, finds real servers, and says at the end what was not there. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';
import { findPostgres, stopPostgres } from './postgres.ts';
import { isWithout, missingAbilities } from './abilities.ts';
import { quickRoot } from './quick-folder.ts';
import type { RgwServer, Servers } from './servers.ts';

const require = createRequire(import.meta.url);
const CEPH_PORT_MIN = 20_000;
const CEPH_FOLDER = /^drover-ceph-(\d+)$/;

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  // The program is built before anybody starts it, or looks at what is built. What cannot be built fails where it is used.
  spawnSync('bin/drover', ['--version'], { stdio: 'ignore' });
  const [azurite, started] = await Promise.all([startAzurite(), startRgw()]);
  const rgw = started.server;
  const missing: string[] = [];
  if (rgw === null) missing.push('Ceph RGW (npm run test:setup installs it)');
  missing.push(...missingAbilities());
  const postgres = findPostgres(process.env);
  if (postgres === null) missing.push('PostgreSQL (npm ci installs it on Linux; or set DROVER_TEST_DATABASE_URL)');
  else if (!postgres.hasEmbedded) missing.push('the embedded PostgreSQL (npm ci installs it on Linux)');
  const servers: Servers = { azurite: azurite.server, rgw, postgres, missing };
  project.provide('servers', servers);
  return async () => {
    azurite.stop();
    started.stop();
    await stopPostgres(process.env);
    for (const name of missing) process.stderr.write(`NOT RUN: tests against ${name}\n`);
    if (missing.length > 0 && process.env['DROVER_TEST_ALL'] === '1') process.exitCode = 1;
  };
}

/** `null` when somebody else has it. */
async function freePort(port: number): Promise<number | null> {
  const server = createServer();
  const isOurs = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => resolve(true));
  });
  if (!isOurs) return null;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Below those that the system gives to connections: they may be in use a moment later. See `ceph.sh` for the others. */
async function freeCephPort(): Promise<number> {
  for (;;) {
    const port = randomInt(CEPH_PORT_MIN, CEPH_PORT_MIN + 9_000);
    const found = await Promise.all([port, port + 2_000, port + 2_001].map(freePort));
    if (!found.includes(null)) return port;
  }
}

/** It takes a port by itself: one that we had looked for may be somebody else's before it is up. */
async function startAzurite() {
  const main = require.resolve('azurite/dist/src/blob/main.js');
  const child = spawn(
    process.execPath,
    [
      main,
      '--blobHost',
      '127.0.0.1',
      '--blobPort',
      '0',
      '--silent',
      '--inMemoryPersistence',
      '--disableTelemetry',
      '--skipApiVersionCheck',
    ],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );
  const origin = await new Promise<string>((resolve, reject) => {
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      const found = /listens on (http:\/\/\S+)\s/.exec(said)?.[1];
      if (found !== undefined) resolve(found);
    });
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`Azurite ended with ${code}: ${said}`)));
  });
  return {
    server: {
      endpoint: `${origin}/devstoreaccount1`,
      accountName: 'devstoreaccount1',
      accountKey: 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==',
    },
    stop: () => child.kill('SIGKILL'),
  };
}

interface StartedRgw {
  readonly server: RgwServer | null;
  readonly stop: () => void;
}

/** One that runs already (its `rgw.json` stands in a known folder), else one of our own if Ceph is installed. */
async function startRgw(): Promise<StartedRgw> {
  const folder = process.env['DROVER_TEST_DIR'] ?? join(tmpdir(), 'drover-test');
  const running = isWithout('rgw') ? null : await readRgw(folder, 2_000);
  if (running !== null) return { server: running, stop: () => undefined };
  if (!existsSync('/usr/bin/radosgw') || isWithout('rgw')) return { server: null, stop: () => undefined };
  const script = fileURLToPath(new URL('../scripts/servers/ceph.sh', import.meta.url));
  const down = (of: string): void => void execFileSync('bash', [script, 'down', of], { stdio: 'ignore' });
  // Those of runs that were killed go on, and take memory.
  for (const name of readdirSync(quickRoot)) {
    const owner = CEPH_FOLDER.exec(name)?.[1];
    if (owner !== undefined && !existsSync(`/proc/${owner}`)) down(join(quickRoot, name));
  }
  const own = join(quickRoot, `drover-ceph-${process.pid}`);
  const port = await freeCephPort();
  const up = spawn('bash', [script, 'up', own, String(port)], { stdio: ['ignore', 'ignore', 'inherit'] });
  const [code] = (await once(up, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`Ceph did not start (${code}).`);
  return {
    server: await readRgw(own, 60_000),
    stop: () => execFileSync('bash', [script, 'down', own], { stdio: 'ignore' }),
  };
}

async function readRgw(folder: string, timeoutMs: number): Promise<RgwServer | null> {
  try {
    const server = JSON.parse(readFileSync(join(folder, 'rgw.json'), 'utf8')) as RgwServer;
    await answers(server.endpoint, timeoutMs);
    return server;
  } catch {
    return null;
  }
}

async function answers(url: string, timeoutMs: number): Promise<void> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    try {
      await fetch(url);
      return;
    } catch (error) {
      if (Date.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
