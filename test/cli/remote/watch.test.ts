/** Watching a run through everything that can happen to the connection, and to whoever watches. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { startServer, type TestServer } from './server.ts';

let server: TestServer;
let relay: Relay;
let jobs = 0;

beforeAll(async () => {
  server = await startServer();
  mkdirSync(join(server.folder, 'source'));
  for (let i = 0; i < 5; i++) writeFileSync(join(server.folder, 'source', `f${i}`), `content ${i}`);
  await fine('connector', 'add', 'local', 'Disk', '--root', server.folder);
  await fine('endpoint', 'create', `Disk:${server.folder}/source`, '--kind', 'source', '--name', 'From');
  await fine('project', 'create', 'P');
});
afterAll(async () => server?.stop());
beforeEach(async () => {
  relay = await Relay.open(Number(new URL(server.url).port));
  server.cli.environment['DROVER_SERVER'] = `http://127.0.0.1:${relay.port}`;
});
afterEach(() => relay.close());

async function fine(...words: string[]): Promise<void> {
  const called = await server.cli.call(...words);
  expect(called.exit, `${words.join(' ')}\n${called.stderr}`).toBe(0);
}

async function alter(statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: server.databaseUrl });
  await client.connect();
  await client.query(statement).finally(() => client.end());
}

/** A run that waits, because nobody works yet. */
async function startRun(): Promise<string> {
  const name = `j${++jobs}`;
  mkdirSync(join(server.folder, name));
  await fine('endpoint', 'create', `Disk:${server.folder}/${name}`, '--kind', 'target', '--name', name);
  await fine('job', 'create', name, '--project', 'P', '--source', 'From', '--target', name);
  const started = await server.cli.json('job', 'start', name);
  expect(started.exit, started.stderr).toBe(0);
  return started.summary.runId as string;
}

test('Ctrl-C stops watching and nothing else', async () => {
  const runId = await startRun();
  const watching = server.cli.json('run', 'watch', runId);
  await relay.sees('/api/v1/events');
  server.cli.stop();
  const watched = await watching;
  expect(watched).toMatchObject({ exit: 130, summary: { runId, state: 'queued', error: null } });
  expect(watched.stderr).toContain(`the run goes on. Look again: drover run watch ${runId}`);
  expect((await server.cli.json('run', 'show', runId)).lines[0]).toMatchObject({ entity: { state: 'queued' } });
});

test('a run that somebody pauses is not waited for', async () => {
  const runId = await startRun();
  const watching = server.cli.call('run', 'watch', runId);
  await relay.sees('/api/v1/events');
  const { environment } = server.cli;
  server.cli.environment = { ...environment, DROVER_SERVER: server.url };
  await fine('run', 'pause', runId);
  server.cli.environment = environment;
  const watched = await watching;
  expect(watched.exit).toBe(130);
  expect(watched.stdout).toMatch(new RegExp(`Paused[\\s\\S]*drover run resume ${runId}`));
});

test('whoever resumes a run is told what still stands against it', async () => {
  const runId = await startRun();
  await fine('run', 'pause', runId);
  await alter(`UPDATE connectors SET health = 'needs-attention',
    health_reason = '{"code": "UNAUTHENTICATED", "message": "It lets nobody in.", "remedy": "Reauthorize it."}'`);
  const resumed = await server.cli.json('run', 'resume', runId);
  expect(resumed.exit, resumed.stderr).toBe(0);
  expect(resumed.stderr).toContain('"Disk" still needs attention: It lets nobody in. Reauthorize it.');
  expect(resumed.lines[0]).toMatchObject({ entity: { warnings: [expect.stringContaining('still needs attention')] } });
  await fine('connector', 'test', 'Disk');
  await fine('run', 'pause', runId);
  expect((await server.cli.call('run', 'resume', runId)).stderr).not.toContain('attention');
});

test('a server that goes away and comes back is waited for', async () => {
  const runId = await startRun();
  const watching = server.cli.json('run', 'watch', runId);
  await relay.sees('/api/v1/events');
  const said = new Promise<void>((resolve) => {
    server.cli.onSaid = (text) => text.includes('does not answer') && resolve();
  });
  relay.refuses();
  await said;
  relay.accepts();
  await server.startWorker();
  const watched = await watching;
  expect(watched.exit, watched.stderr).toBe(0);
  expect(watched.summary).toMatchObject({ runId, state: 'succeeded', items: { copied: 5 } });
  expect(watched.stderr).toMatch(/does not answer; Drover keeps asking[\s\S]*The server answers again\./);
});

test('what has ended is told at once', async () => {
  const runId = await startRun();
  expect((await server.cli.json('run', 'watch', runId)).summary).toMatchObject({ state: 'succeeded' });
  const again = await server.cli.call('run', 'watch', runId);
  expect(again).toMatchObject({ exit: 0 });
  expect(again.stdout).toContain('5 transferred and verified');
});

/** Between command and server; knows what was asked, and can take the server away. */
class Relay {
  readonly port: number;
  readonly #listener: Server;
  readonly #sockets = new Set<Socket>();
  readonly #watchers: { text: string; seen: () => void }[] = [];
  #seen = '';
  #isRefusing = false;

  static async open(serverPort: number): Promise<Relay> {
    const listener = createServer();
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    return new Relay(listener, serverPort);
  }

  constructor(listener: Server, serverPort: number) {
    this.#listener = listener;
    this.port = (listener.address() as { port: number }).port;
    listener.on('connection', (socket) => this.#join(socket, serverPort));
  }

  /** Resolves when a request for the path has come by. */
  sees(text: string): Promise<void> {
    if (this.#seen.includes(text)) return Promise.resolve();
    return new Promise((seen) => this.#watchers.push({ text, seen }));
  }

  /** Breaks every connection, and each new one. */
  refuses(): void {
    this.#isRefusing = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  accepts(): void {
    this.#isRefusing = false;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#listener.close(resolve));
  }

  #join(socket: Socket, serverPort: number): void {
    socket.on('error', () => undefined);
    if (this.#isRefusing) {
      socket.destroy();
      return;
    }
    const behind = connect(serverPort, '127.0.0.1');
    for (const one of [socket, behind]) {
      this.#sockets.add(one);
      one
        .on('error', () => undefined)
        .on('close', () => {
          this.#sockets.delete(one);
          socket.destroy();
          behind.destroy();
        });
    }
    socket.on('data', (chunk: Buffer) => {
      this.#seen += chunk.toString('latin1');
      for (const { text, seen } of this.#watchers) if (this.#seen.includes(text)) seen();
    });
    socket.pipe(behind).pipe(socket);
  }
}
