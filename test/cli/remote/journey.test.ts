/** From an empty server to a proved copy, by commands alone. */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Called } from '../world.ts';
import { startServer, undescribed, type TestServer } from './server.ts';

let server: TestServer;
let source: string;
let target: string;

beforeAll(async () => {
  server = await startServer();
  source = join(server.folder, 'photos');
  target = join(server.folder, 'copy');
  mkdirSync(join(source, '2024'), { recursive: true });
  mkdirSync(target);
  for (let i = 0; i < 20; i++) writeFileSync(join(source, '2024', `photo ${i}.jpg`), `content ${i}`);
  writeFileSync(join(source, 'notes.tmp'), 'left out');
});
afterAll(async () => server?.stop());

async function fine(...words: string[]): Promise<Called> {
  const called = await server.cli.call(...words);
  expect(called.exit, `${words.join(' ')}\n${called.stderr}`).toBe(0);
  return called;
}

/** The entity of the first JSON line of this kind. */
async function entity(kind: string, ...words: string[]): Promise<Record<string, unknown>> {
  const called = await server.cli.json(...words);
  expect(called.exit, `${words.join(' ')}\n${called.stderr}`).toBe(0);
  expect(called.summary).toMatchObject({ type: 'summary', error: null });
  expect(undescribed(called.lines)).toEqual([]);
  return called.lines.find(({ type }) => type === kind)?.['entity'] as Record<string, unknown>;
}

test('connectors are kept by the server, with the words that keep them here', async () => {
  await fine('connector', 'add', 'local', 'Files', '--root', server.folder);
  expect((await fine('connector', 'list')).stdout).toMatch(/Files +Local folder +Healthy/);
  expect((await fine('connector', 'show', 'files')).stdout).toContain(server.folder);
  expect((await fine('connector', 'test', `Files:${source}`, '--use', 'read')).stdout).toContain('can be listed');
  // Nothing of it is here.
  server.cli.environment['DROVER_SERVER'] = '';
  expect((await fine('connector', 'list')).stdout).toContain('No connectors yet');
  server.cli.environment['DROVER_SERVER'] = server.url;
});

test('places are looked at through the server', async () => {
  const { stdout } = await fine('ls', `Files:${source}`);
  expect(stdout.trim().split('\n').toSorted()).toHaveLength(21);
  expect(stdout).toContain('2024/photo 7.jpg\n');
  expect((await fine('ls', '--one-level', `Files:${source}`)).stdout.trim().split('\n').toSorted()).toEqual([
    '2024/',
    'notes.tmp',
  ]);
  const measured = await server.cli.json('du', `Files:${source}`);
  expect(measured.summary).toMatchObject({ items: { scanned: 21 }, bytes: { scanned: 10 * 9 + 10 * 10 + 8 } });
});

test('endpoints, a project and a job are made and found by their names', async () => {
  await fine('endpoint', 'create', `Files:${source}`, '--kind', 'source', '--name', 'Old');
  await fine('endpoint', 'create', `files:${target}`, '--kind', 'target', '--name', 'New', '--description', 'safe');
  await fine('project', 'create', 'Acme');
  const words = ['--project', 'acme', '--source', 'old', '--target', 'new', '--exclude', '*.tmp', '--transfers', '4'];
  const job = await entity('job', 'job', 'create', 'Photos', ...words);
  expect(job).toMatchObject({
    settings: { mode: 'merge', filter: { exclude: ['*.tmp'] } },
    tuning: { transfersMax: 4 },
    source: { fullPath: `${source}/` },
  });
  expect(await entity('job', 'job', 'show', 'ACME/photos')).toEqual(job);
  const changed = await entity('job', 'job', 'update', 'Photos', '--min-size', '1', '--mode', 'mirror');
  expect(changed['settings']).toMatchObject({ mode: 'mirror', filter: { exclude: ['*.tmp'], sizeBytesMin: 1 } });
  await fine('job', 'update', 'Photos', '--mode', 'merge');
  expect((await fine('job', 'outcomes', 'Photos')).stdout).toContain('names: ');
  expect((await fine('job', 'preflight', 'Photos', '--count')).stdout).toContain('It could start now.');
});

test('a dry run, the run itself and a validation are watched to their ends', async () => {
  await server.startWorker();
  const planned = await fine('job', 'start', 'Photos', '--kind', 'dry-run', '--watch');
  expect(planned.stdout).toContain('Would transfer 20 objects (190 bytes).');
  const run = await server.cli.json('job', 'start', 'Acme/Photos', '--watch');
  expect(run.exit, run.stderr).toBe(0);
  expect(undescribed(run.lines)).toEqual([]);
  expect(run.summary).toMatchObject({ state: 'succeeded', items: { scanned: 21, copied: 20, excluded: 1 } });
  expect(readFileSync(join(target, '2024', 'photo 3.jpg'), 'utf8')).toBe('content 3');
  expect((await fine('job', 'watch', 'Photos')).stdout).toContain('20 transferred and verified');
  const compared = await fine('job', 'start', 'Photos', '--kind', 'validate', '--watch');
  expect(compared.stdout).toContain('Identical: 20 objects on both sides.');
});

test('differences and failures end with the exit codes of the table', async () => {
  rmSync(join(target, '2024', 'photo 3.jpg'));
  const called = await server.cli.json('job', 'start', 'Photos', '--kind', 'validate', '--watch');
  expect(called.exit).toBe(4);
  expect(called.summary).toMatchObject({ differences: { missing: 1 } });
  await fine('job', 'start', 'Photos', '--watch');
});

test('runs are listed, shown and drawn', async () => {
  const listed = await server.cli.json('run', 'list', '--job', 'Photos', '--in', 'succeeded,completed-with-issues');
  const runs = listed.lines.filter(({ type }) => type === 'run').map((line) => line['entity'] as { number: number });
  expect(runs.map(({ number }) => number)).toEqual([5, 4, 3, 2, 1]);
  expect((await fine('run', 'list', '--in', 'failed,paused')).stdout).toContain('No runs.');
  expect((await fine('job', 'list', '--in', 'succeeded')).stdout).toContain('Acme/Photos');
  expect((await fine('job', 'list', '--in', 'failed')).stdout).toContain('No jobs.');
  expect((await fine('job', 'runs', 'photos', '--limit', '1')).stderr).toContain('a higher --limit shows them');
  expect((await fine('run', 'show', 'photos')).stdout).toMatch(/Run +\w+, number 5 of "Acme\/Photos"/);
  expect((await fine('job', 'logs', 'Photos')).stdout).toContain('Started by Ana');
  expect((await fine('run', 'items', 'Photos')).stdout).toContain('None: everything else made it');
  expect((await fine('run', 'items', 'Photos', '--result', 'failed')).stdout).toContain('None of that kind.');
  for (const wrong of ['--result', '--code']) {
    expect(await server.cli.call('run', 'items', 'Photos', wrong, 'fialed')).toMatchObject({ exit: 2, stdout: '' });
  }
  const empty = ['--kind', 'copy-log-csv', '--result', 'copied,fialed', '--out', '-'];
  expect((await server.cli.call('run', 'report', 'Photos', ...empty)).stderr).toContain('"fialed" is not');
  expect((await fine('run', 'segments', 'Photos')).stdout).toContain('done');
  expect((await fine('run', 'workers', 'Photos')).stdout).toMatch(/Worker +Joined +Left +Items +Claims[\s\S]*\d+ s/);
  expect((await fine('run', 'map', 'Photos')).stdout).toContain('█ done');
});

test('copy log and report are made, waited for, saved and compared with their checksum', async () => {
  const log = join(server.cli.folder, 'log.csv');
  const list = await server.cli.json('run', 'list', '--limit', '4');
  const first = (list.lines[3] as { entity: { id: string } }).entity.id;
  await fine('run', 'report', first, '--kind', 'copy-log-csv', '--out', log);
  expect(readFileSync(log, 'utf8')).toContain('2024/photo 3.jpg,F,9,Transferred');
  await fine('run', 'report', 'Photos', '--out', join(server.cli.folder, 'report.html'), '--spot-check', '3');
  expect(readFileSync(join(server.cli.folder, 'report.html'), 'utf8')).toContain('<html');
  expect((await fine('artifact', 'list', first)).stdout).toContain('ready');
  const made = await server.cli.json('artifact', 'list', first);
  const { id } = (made.lines[0] as { entity: { id: string } }).entity;
  const printed = await fine('artifact', 'download', id, '--out', '-');
  expect(printed.stdout).toBe(readFileSync(log, 'utf8'));
  // Over all runs, the newest first, and one less after it was removed.
  const all = async () => (await fine('artifact', 'list', '--job', 'Photos')).stdout;
  expect(await all()).toMatch(/validation-report\.html[^]*copy-log\.csv/);
  expect((await fine('artifact', 'remove', id, '--yes')).stdout).toContain('Deleted "');
  expect(await all()).not.toContain(id);
});

test('a report says whether it is as the server made it, without the server', async () => {
  const report = join(server.cli.folder, 'sealed.json');
  const page = join(server.cli.folder, 'report.html');
  await fine('run', 'report', 'Photos', '--kind', 'report-json', '--out', report, '--spot-check', '0');
  const key = (await fine('artifact', 'key')).stdout.trim();
  server.cli.environment['DROVER_SERVER'] = '';
  for (const file of [report, page]) {
    expect((await fine('artifact', 'verify', file, '--key', key)).stdout).toBe('It is as the server made it.\n');
  }
  writeFileSync(report, readFileSync(report, 'utf8').replace(/\\"scanned\\":\d/, String.raw`\"scanned\":9`));
  writeFileSync(page, readFileSync(page, 'utf8').replace('Validation', 'validation'));
  const changed = await server.cli.call('artifact', 'verify', report, '--key', key);
  expect(changed.exit).toBe(4);
  expect(changed.stdout).toContain('The field /counters/bytes was changed.');
  expect((await server.cli.call('artifact', 'verify', page, '--key', key)).stdout).toContain('between byte 0 and');
  expect((await server.cli.call('artifact', 'verify', page, '--key', 'x')).stderr).toContain('no public key');
  server.cli.environment['DROVER_SERVER'] = server.url;
});

test('whoever gets a manifest can work out its root, without the server', async () => {
  const manifest = join(server.cli.folder, 'manifest.ndjson.gz');
  const plain = join(server.cli.folder, 'manifest.ndjson');
  const { entity: run } = (await server.cli.json('run', 'show', 'Photos')).lines[0] as unknown as {
    entity: { manifestRoot: string };
  };
  for (const file of [manifest, plain]) await fine('run', 'report', 'Photos', '--kind', 'manifest', '--out', file);
  const listed = await server.cli.json('artifact', 'list', '--job', 'Photos');
  const entities = listed.lines.map(({ entity }) => entity as { kind: string; sizeBytes: number; sha256: string });
  const known = entities.find(({ kind }) => kind === 'manifest');
  const content = readFileSync(manifest);
  expect(known).toMatchObject({
    sizeBytes: content.length,
    sha256: createHash('sha256').update(content).digest('hex'),
  });
  server.cli.environment['DROVER_SERVER'] = '';
  for (const file of [manifest, plain]) {
    const told = await fine('artifact', 'verify', file, '--root', run.manifestRoot);
    expect(told.stdout).toContain(`root ${run.manifestRoot}`);
  }
  expect((await fine('artifact', 'verify', manifest)).stdout).toContain('Compare the root');
  writeFileSync(plain, readFileSync(plain, 'utf8').replace('"sizeBytes":', '"sizeBytes":1'));
  const changed = await server.cli.call('artifact', 'verify', plain, '--root', run.manifestRoot);
  expect([changed.exit, changed.stdout]).toEqual([4, expect.stringContaining('are not those that were hashed')]);
  server.cli.environment['DROVER_SERVER'] = server.url;
});

test('run log and audit log are saved whole, as CSV or NDJSON', async () => {
  const log = join(server.cli.folder, 'run-log.csv');
  const audit = join(server.cli.folder, 'audit.ndjson');
  await fine('run', 'log', 'Photos', '--out', log);
  expect(readFileSync(log, 'utf8')).toMatch(/^\ufeffNumber,Time,Level,Code,Message,StorageMoverCodes\r\n\d+,/);
  await fine('audit', '--action', 'project.create', '--out', audit);
  const lines = readFileSync(audit, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(new Set(lines.map(({ action }) => action))).toEqual(new Set(['project.create']));
  expect((await fine('audit', '--out', '-')).stdout).toContain('Number,Time,ActorKind,');
  expect((await server.cli.call('audit', '--json', '--out', '-')).exit).toBe(2);
  const tooMany = await server.cli.call('run', 'report', 'Photos', '--out', '-', '--spot-check', '10001');
  expect([tooMany.exit, tooMany.stderr]).toEqual([2, expect.stringMatching(/0 (?:to|and) 10,?000/)]);
});

test('files are packed where their name says so, and nowhere else', async () => {
  const [plain, packed] = [join(server.cli.folder, 'log.ndjson'), join(server.cli.folder, 'log.ndjson.gz')];
  await fine('run', 'report', 'Photos', '--kind', 'copy-log-ndjson', '--out', plain);
  const text = readFileSync(plain, 'utf8');
  expect(
    text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown).length,
  ).toBeGreaterThan(0);
  const { id, fileName } = await entity('artifact', 'artifact', 'list', '--filter', 'kind=copy-log-ndjson');
  // What the API sends is what it says it is.
  const authorization = `Bearer ${server.token}`;
  const sent = await fetch(`${server.url}/api/v1/artifacts/${String(id)}/content`, { headers: { authorization } });
  expect(sent.headers.get('content-type')).toBe('application/gzip');
  expect(fileName).toMatch(/\.ndjson\.gz$/);
  expect(sent.headers.get('content-disposition')).toContain(`.ndjson.gz"`);
  expect(gunzipSync(Buffer.from(await sent.arrayBuffer())).toString()).toBe(text);
  const saved = await fine('artifact', 'download', id as string, '--out', packed);
  expect(gunzipSync(readFileSync(packed)).toString()).toBe(text);
  expect(saved.stdout).toContain(`${readFileSync(packed).byteLength} bytes`);
  expect((await fine('artifact', 'download', id as string, '--out', '-')).stdout).toBe(text);
  const [log, audit] = [join(server.cli.folder, 'run-log.csv.gz'), join(server.cli.folder, 'audit.ndjson.gz')];
  await fine('run', 'log', 'Photos', '--out', log);
  expect(gunzipSync(readFileSync(log)).toString()).toMatch(/^\ufeffNumber,/);
  await fine('audit', '--out', audit);
  expect(gunzipSync(readFileSync(audit)).toString()).toMatch(/^\{"number":/);
});

test('what was exported is what the server has, and can be changed and applied', async () => {
  await fine('schedule', 'create', 'Photos', '--weekly', 'mon,thu', '--at', '2:00', '--time-zone', 'Europe/Berlin');
  const file = join(server.cli.folder, 'all.yaml');
  const { stdout } = await fine('export');
  expect(stdout).toContain('name: Photos');
  writeFileSync(file, stdout);
  expect((await fine('apply', '-f', file)).stdout).toContain('Nothing to do');
  writeFileSync(file, stdout.replace('description: safe', 'description: safer').replace('name: Photos', 'name: Films'));
  const refused = await server.cli.call('apply', '-f', file);
  expect(refused.exit).toBe(6);
  expect(refused.stdout).toContain('~ endpoint "New"\n    description: "safe" → "safer"\n');
  expect(refused.stdout).toContain('+ job "Acme / Films"\n    from: endpoint "Old"');
  expect(refused.stdout).toMatch(/\+ schedule "Acme \/ Films"\n {4}Mon, Thu at 02:00 \(Europe\/Berlin\), transfer/);
  expect(refused.stderr).toContain('--yes');
  server.cli.answers = ['yes'];
  expect((await fine('apply', '-f', file)).stdout).toMatch(/Done: 3 changes\.$/m);
  server.cli.answers = null;
  server.cli.input = readFileSync(file, 'utf8');
  expect((await fine('apply', '-f', '-')).stdout).toContain('Nothing to do');
  expect(await entity('job', 'job', 'show', 'Films')).toMatchObject({ tuning: { transfersMax: 4 } });
});

test('problems of a document are named with their lines', async () => {
  const file = join(server.cli.folder, 'wrong.yaml');
  const text = ['drover: 1', 'projects:', '  - name: Acme', '    jobs:', '      - name: Wrong'];
  writeFileSync(
    file,
    [...text, '        source: { endpoint: Nowhere }', '        target: { endpoint: New }'].join('\n'),
  );
  const called = await server.cli.call('apply', '-f', file, '--yes');
  expect(called.exit).toBe(2);
  expect(called.stderr).toContain(`${file}:6  projects[0].jobs[0].source.endpoint\n  There is no endpoint "Nowhere"`);
  expect(called.stderr).toContain('Nothing was changed: the document has 1 problem.');
  writeFileSync(file, 'drover: 1\nprojects: [\n');
  expect((await server.cli.call('apply', '-f', file)).stderr).toContain(`${file}, line 3`);
  const letters = [...'abcdefgh'];
  const growing = letters.map(
    (name, at) => `${name}: &${name} [${Array(9).fill(at === 0 ? 1 : `*${letters[at - 1]}`)}]`,
  );
  for (const [wrong, line, alias] of [
    ['drover: 1\nconnectors: &a [*a]\n', 2, '*a'],
    ['drover: 1\nprojects: [*later]\n', 2, '*later'],
    [growing.join('\n'), 7, '*f'],
  ] as const) {
    writeFileSync(file, wrong);
    const { exit, stderr } = await server.cli.call('apply', '-f', file, '--yes');
    expect(exit).toBe(2);
    expect(stderr).toContain(`${file}, line ${line}, column `);
    expect(stderr).toContain(`alias ${alias} `);
    expect(stderr).not.toContain('unexpected');
  }
});

test('a project is deleted only with a yes that has seen what goes along', async () => {
  const refused = await server.cli.call('project', 'remove', 'Acme');
  expect(refused.exit).toBe(6);
  expect(refused.stderr).toContain('2 jobs, 2 schedules and 5 runs');
  const used = await server.cli.call('endpoint', 'remove', 'Old', '--yes');
  expect(used.exit).toBe(6);
  expect(used.stderr).toContain('Photos');
  await fine('project', 'remove', 'Acme', '--yes');
  await fine('endpoint', 'remove', 'Old', '--yes');
  expect(readFileSync(join(source, 'notes.tmp'), 'utf8')).toBe('left out');
});
