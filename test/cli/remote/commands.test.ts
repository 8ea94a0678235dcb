/** Every other command against a real server, and what is said when there is none. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { s3 } from '../../../src/providers/s3/provider.ts';
import { openTestWorld, type Called } from '../world.ts';
import { startServer, undescribed, type TestServer } from './server.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});
afterAll(async () => server?.stop());
beforeEach(() => {
  server.cli.environment = { DROVER_SERVER: server.url, DROVER_TOKEN: server.token };
});

const call = (...words: string[]): Promise<Called> => server.cli.call(...words);

async function fine(...words: string[]): Promise<Called> {
  const called = await call(...words);
  expect(called.exit, `${words.join(' ')}\n${called.stderr}`).toBe(0);
  return called;
}

describe('without a server that answers', () => {
  test.each([
    ['job', 'list'],
    ['project', 'create', 'x'],
    ['endpoint', 'list'],
    ['run', 'show', 'x'],
    ['schedule', 'list'],
    ['timetable', 'list'],
    ['person', 'list'],
    ['token', 'list'],
    ['subscription', 'list'],
    ['audit'],
    ['worker', 'list'],
    ['overview'],
    ['attention', 'list'],
    ['export'],
    ['apply', '-f', 'x'],
    ['artifact', 'download', 'x'],
    ['connector', 'users', 'x'],
  ])('%s %s says that it needs one', async (...words) => {
    server.cli.environment = {};
    const called = await call(...words);
    expect(called.exit).toBe(2);
    expect(called.stderr).toContain('This command works with a server, and none was named.\nName it with --server');
  });

  test.each([
    ['copy', 'a', 'b'],
    ['sync', 'a', 'b'],
    ['check', 'a', 'b'],
    ['verify', '1m807d1pq3pfw7'],
    ['cat', 'a:b/c'],
    ['rm', 'a:b/c'],
    ['runs'],
    ['connector', 'import', 'aws'],
  ])('%s works here only, and says so', async (...words) => {
    const called = await call(...words);
    expect(called.exit).toBe(2);
    expect(called.stderr).toContain('works on this machine and not through a server');
  });

  test('a token is needed, from the environment or a file', async () => {
    server.cli.environment = { DROVER_SERVER: server.url };
    expect((await call('job', 'list')).stderr).toContain('The server asks for a token, and none was given.');
    const file = join(server.cli.folder, 'token');
    writeFileSync(file, `${server.token}\n`);
    await fine('job', 'list', '--token-file', file);
    server.cli.environment = { DROVER_SERVER: server.url, DROVER_TOKEN_FILE: file };
    await fine('job', 'list');
    const missing = await call('job', 'list', '--token-file', '/nowhere');
    expect(missing).toMatchObject({ exit: 2 });
    expect(missing.stderr).toContain('There is no file "/nowhere".');
  });

  test('an address is one, and a wrong token is refused', async () => {
    expect((await call('job', 'list', '--server', '127.0.0.1:7070')).stderr).toContain('no address of a server');
    server.cli.environment['DROVER_TOKEN'] = 'drv_wrong';
    const refused = await server.cli.json('job', 'list');
    expect(refused).toMatchObject({ exit: 2, summary: { state: 'failed', error: { code: 'NOT_SIGNED_IN' } } });
  });

  test('a server that cannot be reached is said in one sentence', async () => {
    const listener = createServer();
    const port = await new Promise<number>((resolve) => {
      listener.listen(0, '127.0.0.1', () => resolve((listener.address() as { port: number }).port));
    });
    await new Promise((resolve) => listener.close(resolve));
    const called = await call('job', 'list', '--server', `http://127.0.0.1:${port}`);
    expect(called.exit).toBe(5);
    expect(called.stderr).toMatch(/^Drover does not answer at http:\/\/127\.0\.0\.1:\d+ \(ECONNREFUSED\)\.\n/);
  });
});

describe('names', () => {
  test('that several have are listed, and one with its project is enough', async () => {
    for (const kind of ['source', 'target']) mkdirSync(join(server.folder, kind));
    await fine('connector', 'add', 'local', 'Disk', '--root', server.folder);
    await fine('endpoint', 'create', `Disk:${server.folder}/source`, '--kind', 'source', '--name', 'From');
    await fine('endpoint', 'create', `Disk:${server.folder}/target`, '--kind', 'target', '--name', 'To');
    for (const project of ['One', 'Two/Three']) {
      await fine('project', 'create', project);
      await fine('job', 'create', 'Same', '--project', project, '--source', 'From', '--target', 'To');
    }
    const called = await call('job', 'show', 'same');
    expect(called.exit).toBe(2);
    expect(called.stderr).toMatch(
      /"same" is the name of 2 jobs\.\nSay which one: .*Two\/Three\/Same \([0-9a-f-]{36}\)/,
    );
    const { stdout } = await fine('job', 'show', 'two/three/same');
    const id = /Id +(\S+)/.exec(stdout)?.[1] as string;
    expect((await fine('job', 'show', id)).stdout).toBe(stdout);
  });

  test('that nobody has lead to the nearest one', async () => {
    const called = await call('project', 'show', 'Ome');
    expect(called.exit).toBe(2);
    expect(called.stderr).toBe('There is no project "Ome".\nDid you mean "One"?\n');
    expect((await call('run', 'show', 'nothing')).stderr).toContain('no run "nothing", and no job of that name');
    expect((await call('run', 'show', 'One/Same')).stderr).toContain('has not run yet');
  });

  test('that are taken are refused at their field', async () => {
    const called = await server.cli.json('project', 'create', 'one');
    expect(called).toMatchObject({ exit: 2, summary: { error: { code: 'ALREADY_EXISTS', field: 'name' } } });
  });
});

test('timetables are saved, changed, used and removed', async () => {
  const made = await fine(
    'timetable',
    'create',
    'Office',
    '--rules',
    '08:00,5MB 18:00,off',
    '--time-zone',
    'Asia/Tokyo',
  );
  expect(made.stdout).toContain('08:00 5 MB/s, 18:00 off (Asia/Tokyo)');
  expect((await fine('timetable', 'update', 'office', '--rules', '1MB')).stdout).toContain('1 MB/s (Asia/Tokyo)');
  await fine('job', 'update', 'One/Same', '--timetable', 'Office');
  expect((await fine('job', 'show', 'One/Same')).stdout).toMatch(/Timetable +Office/);
  expect(await call('timetable', 'remove', 'Office', '--yes')).toMatchObject({ exit: 6 });
  await fine('job', 'update', 'One/Same', '--timetable', 'none');
  await fine('timetable', 'remove', 'Office', '--yes');
  expect((await fine('timetable', 'list')).stdout).toBe('No timetables.\n');
});

test('schedules are made disabled, previewed, enabled and removed', async () => {
  const preview = await fine('schedule', 'preview', '--monthly', '31', '--at', '02:00', '--count', '3');
  expect(preview.stdout.trim().split('\n')).toHaveLength(3);
  const nepal = await fine('schedule', 'preview', '--daily', '02:00', '--time-zone', 'Asia/Kathmandu', '--count', '1');
  expect(nepal.stdout.trim()).toMatch(/^\d{4}-\d\d-\d\d 02:00:00 \+05:45 {2}Asia\/Kathmandu$/);
  await fine('schedule', 'create', 'One/Same', '--daily', '3:30');
  expect((await fine('schedule', 'show', 'One/Same')).stdout).toMatch(/When +daily at 03:30 \(UTC\)[\s\S]*Enabled +no/);
  expect((await fine('schedule', 'enable', 'One/Same')).stdout).toMatch(/Enabled +yes\nNext /);
  expect((await fine('schedule', 'list', '--job', 'One/Same')).stdout).toContain('daily at 03:30');
  await fine('schedule', 'update', 'One/Same', '--time-zone', 'Asia/Kathmandu');
  for (const shown of ['show', 'list']) {
    const { stdout } = await fine('schedule', shown, ...(shown === 'list' ? ['--job'] : []), 'One/Same');
    expect(stdout).toMatch(/\d{4}, 03:30 GMT\+5:45/);
  }
  await fine('schedule', 'update', 'One/Same', '--time-zone', 'UTC');
  const changed = await fine(
    'schedule',
    'update',
    'One/Same',
    '--weekly',
    'mon,thu',
    '--at',
    '04:00',
    '--kind',
    'validate',
  );
  expect(changed.stdout).toMatch(/When +.*04:00 \(UTC\)\nStarts a +validat/);
  expect((await fine('schedule', 'update', 'One/Same', '--ends', '2099-01-01T00:00:00Z')).stdout).toMatch(
    /04:00[\s\S]*Not after +/,
  );
  expect((await fine('schedule', 'update', 'One/Same', '--ends', 'none')).stdout).not.toContain('Not after');
  expect(await call('schedule', 'update', 'One/Same')).toMatchObject({ exit: 2 });
  await fine('schedule', 'events', 'One/Same');
  await fine('schedule', 'disable', 'One/Same');
  await fine('schedule', 'remove', 'One/Same', '--yes');
  expect((await call('schedule', 'show', 'One/Same')).stderr).toContain('has no schedule');
  const two = await call('schedule', 'create', 'One/Same', '--daily', '3:30', '--cron', '* * * * *');
  expect(two).toMatchObject({ exit: 2 });
  expect(two.stderr).toContain('one rule');
});

test('people and tokens: a viewer may look and no more', async () => {
  server.cli.input = 'another long password\n';
  await fine('person', 'create', 'bob@acme.example', '--role', 'viewer', '--password-stdin');
  expect((await fine('person', 'list')).stdout).toMatch(/bob@acme\.example +bob +viewer +active +password/);
  expect((await fine('person', 'update', 'bob', '--role', 'operator')).stdout).toMatch(/Role +operator/);
  expect((await fine('person', 'update', 'bob', '--disable')).stdout).toMatch(/State +disabled/);
  expect((await fine('person', 'update', 'bob', '--enable')).stdout).toMatch(/State +active/);
  await fine('person', 'remove', 'bob@acme.example', '--yes');
  const { stdout } = await fine('token', 'create', 'reader', '--role', 'viewer', '--expires', '2099-01-01T00:00:00Z');
  expect(stdout).toMatch(/^drv_\S+\n$/);
  server.cli.environment['DROVER_TOKEN'] = stdout.trim();
  await fine('project', 'list');
  const refused = await server.cli.json('project', 'create', 'Mine');
  expect(refused).toMatchObject({ exit: 2, summary: { error: { code: 'FORBIDDEN' } } });
  server.cli.environment['DROVER_TOKEN'] = server.token;
  expect((await fine('token', 'list')).stdout).toMatch(/reader +Ana +viewer +all +drv_\S+ +1 Jan 2099/);
  await fine('token', 'remove', 'reader', '--yes');
});

test('what a filter names is started, enabled and cancelled together, and each says how it went', async () => {
  for (const job of ['One/Same', 'Two/Three/Same']) await fine('schedule', 'create', job, '--daily', '4:30');
  for (const narrowed of [
    ['--project', 'One'],
    ['--job', 'One/Same'],
  ]) {
    const unsaid = await call('schedule', 'enable-all', ...narrowed);
    expect(unsaid).toMatchObject({ exit: 6 });
    expect(unsaid.stderr).toContain('Enable 1 schedule?');
  }
  // A schedule has no states.
  expect((await call('schedule', 'disable-all', '--in', 'failed', '--yes')).stderr).toContain('no option --in');
  const kept = await call('job', 'remove', 'One/Same');
  expect(kept.stderr).toMatch(/Delete the job "One\/Same", 1 schedule and \d+ runs? with their logs and files\?/);
  expect((await fine('schedule', 'enable-all', '--yes')).stdout.split('\n').toSorted()).toEqual([
    '',
    'One/Same: Enabled',
    'Two/Three/Same: Enabled',
  ]);
  await fine('schedule', 'disable-all', '--yes');
  expect((await fine('schedule', 'list')).stdout).not.toContain('yes');
  const started = await call('job', 'start-all', '--search', 'same', '--kind', 'transfer', '--yes');
  expect(started.stdout).toMatch(/One\/Same: Started [a-z0-9]+/);
  // Both would write to the same folder; or the second waits for its turn.
  expect(started.stdout).toContain('Two/Three/Same: ');
  expect((await fine('run', 'cancel-all', '--in', 'queued,running', '--yes')).stdout).toMatch(
    /runs? (is|are) canceled/,
  );
  for (const job of ['One/Same', 'Two/Three/Same']) await fine('schedule', 'remove', job, '--yes');
  const retried = await call('job', 'start-all', '--filter', 'state=succeeded', '--yes');
  expect(retried.stderr).toContain('Started: 0. Refused: 0.');
});

test('a test message that does not arrive says why in one sentence', async () => {
  // Port 9 of this machine: nobody listens there.
  await fine('subscription', 'create', 'Nowhere', '--webhook', 'http://127.0.0.1:9/hook');
  const { exit, stderr } = await call('subscription', 'test', 'Nowhere');
  expect(exit).not.toBe(0);
  expect(stderr).toMatch(/The message did not arrive: Nothing listens at 127\.0\.0\.1:9\.\n/);
  await fine('subscription', 'remove', 'Nowhere', '--yes');
});

test('subscriptions are made, paused and removed', async () => {
  const words = ['--webhook', 'https://hooks.acme.example/ops', '--event', 'run.failed', '--project', 'One'];
  await fine('subscription', 'create', 'Ops', ...words);
  expect((await fine('subscription', 'show', 'ops')).stdout).toMatch(/Events +run\.failed/);
  expect((await fine('subscription', 'disable', 'Ops')).stdout).toMatch(/Enabled +no/);
  expect((await fine('subscription', 'retry', 'Ops')).stdout).toBe('Nothing for "Ops" was given up.\n');
  const { lines } = await server.cli.json('subscription', 'retry', 'Ops');
  expect(lines[0]).toMatchObject({ type: 'retried', messages: 0 });
  expect(undescribed(lines)).toEqual([]);
  const nothing = await call('artifact', 'retry', '01890000-0000-7000-8000-00000000ffff');
  expect(nothing.stderr).toContain('There is no artifact');
  const more = ['--event', 'run.failed', '--event', 'run.attention', '--project', 'all', '--name', 'On call'];
  expect((await fine('subscription', 'update', 'Ops', ...more)).stdout).toMatch(/Events +run\.failed, run\.attention/);
  expect((await call('subscription', 'update', 'On call', '--email', 'a@b.example')).stderr).toContain(
    'sends by webhook',
  );
  await fine('subscription', 'update', 'On call', '--name', 'Ops');
  await fine('subscription', 'deliveries', 'Ops');
  await fine('subscription', 'remove', 'Ops', '--yes');
  expect((await call('subscription', 'create', 'Nowhere')).stderr).toContain('Say where messages go.');
  const mail = await call('subscription', 'create', 'Mail', '--email', 'ops@acme.example', '--event', 'run.failed');
  expect(mail.stderr).toContain('DROVER_SMTP_URL');
});

test('what a server keeps of a connector changes, and a name is made up for a new one', async () => {
  const words = ['--tag', 'team=storage', '--tag', 'cost=12', '--requests-per-second', '50', '--transfers', '8'];
  const changed = await fine('connector', 'update', 'Disk', ...words);
  expect(changed.stdout).toMatch(/Tags +cost=12, team=storage|Tags +team=storage, cost=12/);
  expect(changed.stdout).toMatch(/Limits +50 requests per second, 8 objects in flight/);
  const less = await fine('connector', 'update', 'Disk', '--untag', 'cost', '--requests-per-second', 'none');
  expect(less.stdout).toMatch(/Tags +team=storage\nLimits +8 objects in flight/);
  expect((await fine('connector', 'list', '--filter', 'tag=team=storage')).stdout).toContain('Disk');
  expect((await fine('connector', 'list', '--filter', 'tag=team=other')).stdout).not.toContain('Disk');
  expect((await call('connector', 'update', 'Disk', '--cloud-account', '123456789012')).stderr).toContain('Amazon S3');
  expect((await call('connector', 'update', 'Disk', '--permission', 'read')).stderr).toContain('--cloud-account');
  expect(await call('connector', 'update', 'Disk')).toMatchObject({ exit: 2 });
  const folder = join(server.folder, 'unnamed');
  mkdirSync(folder);
  expect((await fine('connector', 'add', 'local', '--root', folder)).stdout).toMatch(
    /Saved on the server as "(?!Disk).+"/,
  );
  server.cli.environment = {};
  expect((await call('connector', 'add', 'local', '--root', folder)).stderr).toContain('A connector needs a name.');
});

test('a policy is printed before its connector is saved', async () => {
  const fields = ['--field', 'roleArn=arn:aws:iam::123456789012:role/drover', '--field', 'externalId=abc-123'];
  const words = ['--draft', 's3', ...fields, '--kind', 'cloudformation', '--use', 'read', '--bucket', 'docs'];
  const { stdout } = await fine('connector', 'policy', 'Acme', ...words);
  expect(stdout).toContain("Default: 'abc-123'");
  expect(stdout).toContain('arn:aws:s3:::docs');
  expect(stdout).not.toContain('s3:PutObject');
  expect(await call('connector', 'policy', 'Acme')).toMatchObject({ exit: 2 });
});

test('of a policy only what was typed is asked for, and the rest is what the server knows', async () => {
  const words = ['policy', 'Acme', '--draft', 's3', '--field', 'externalId=abc-123', '--kind', 'iam'];
  const { stdout } = await fine('connector', ...words);
  // The server's own choices: both ways, with tags.
  for (const right of ['s3:PutObject', 's3:GetObjectTagging']) expect(stdout).toContain(right);
});

test('an external ID that was made up comes with the words that print its policy, though nothing is saved', async () => {
  const keys = ['--access-key-id', 'AKIDNOBODY', '--secret-access-key', 'none', '--endpoint', 'http://127.0.0.1:1'];
  const role = ['--role-arn', 'arn:aws:iam::123456789012:role/drover'];
  const withS3 = openTestWorld([s3]);
  withS3.environment = { DROVER_SERVER: server.url, DROVER_TOKEN: server.token };
  const { exit, stderr } = await withS3.call('connector', 'add', 's3', 'ByRole', ...keys, ...role);
  withS3.remove();
  expect(exit, stderr).not.toBe(0);
  const words = /To print one: drover (connector policy .*)/.exec(stderr)?.[1] as string;
  const externalId = /--external-id (\S+)/.exec(stderr)?.[1] as string;
  const { stdout } = await fine(...words.split(' '));
  expect(stdout).toContain(`"sts:ExternalId": "${externalId}"`);
});

test('every line with --json is one that the reference describes', async () => {
  const commands = [
    'project list',
    'endpoint list',
    'job list',
    'job outcomes One/Same',
    'job preflight One/Same',
    'run list',
    'schedule preview --daily 2:00',
    'schedule list',
    'timetable list',
    'person list',
    'token list',
    'subscription list',
    'audit',
    'worker list',
    'overview',
    'attention list',
    'attention dismissed',
    'export',
    'connector list',
    'connector test Disk',
    'connector users Disk',
    'ls Disk:',
  ];
  for (const command of commands) {
    const { lines, exit, stderr } = await server.cli.json(...command.split(' '));
    expect(exit, `${command}: ${stderr}`).toBe(0);
    expect(lines.at(-1)).toMatchObject({ type: 'summary' });
    expect(undescribed(lines), command).toEqual([]);
  }
  expect(undescribed([{ type: 'made up' }])).toEqual(['made up']);
});

test('a bucket is made through a server with the words that make one here', async () => {
  const place = `Disk:${server.folder}/made`;
  const advised = await call('endpoint', 'create', place, '--kind', 'source', '--name', 'Made');
  expect(advised.exit).not.toBe(0);
  expect(advised.stderr).toContain('"drover mkbucket NAME:bucket"');
  expect((await fine('mkbucket', place)).stdout).toBe(`Made ${place}.\n`);
  expect((await fine('mkbucket', place)).stdout).toBe(`${place} was there already.\n`);
  await fine('endpoint', 'create', place, '--kind', 'source', '--name', 'Made');
  expect(await call('mkbucket', 'Disk:')).toMatchObject({ exit: 2 });
  expect((await call('mkbucket', `Disk:/elsewhere`)).exit).not.toBe(0);
  await fine('endpoint', 'remove', 'Made', '--yes');
});

test('audit, workers, overview and the use of a connector', async () => {
  const audit = await server.cli.json('audit', '--action', 'project.create');
  const actions = audit.lines.filter(({ type }) => type === 'audit').map((line) => line['entity']);
  expect(actions).toMatchObject([{ entityName: 'Two/Three' }, { entityName: 'One' }]);
  const table = (await fine('audit', '--action', 'project.create', '--action', 'endpoint.create')).stdout;
  expect(table).toMatch(/^Time +Who +Action +What +Changes\n/);
  expect(table).toMatch(/  Ana \(Command line\) +project\.create +project Two\/Three\n/);
  expect(table).toMatch(/  endpoint From +kind: none → source; fullPath: none → \/.*\n/);
  expect((await fine('worker', 'list')).stdout).toContain('drover worker');
  expect((await fine('overview')).stdout).toContain('0 running, 0 queued.');
  expect((await fine('connector', 'users', 'Disk')).stdout).toContain('endpoint  From');
  expect(await call('connector', 'remove', 'Disk', '--yes')).toMatchObject({ exit: 6 });
  await fine('connector', 'inventory', 'Disk');
});

test('a run that waits is watched until the person stops watching, and goes on', async () => {
  writeFileSync(join(server.folder, 'source', 'a'), 'a');
  const started = await server.cli.json('job', 'start', 'One/Same');
  expect(started).toMatchObject({ exit: 0, summary: { state: 'queued' } });
  const runId = started.summary.runId as string;
  const watching = server.cli.json('run', 'watch', runId);
  server.cli.stop();
  const watched = await watching;
  expect(watched).toMatchObject({ exit: 130, summary: { runId, state: 'queued' } });
  expect(watched.stderr).toContain(`the run goes on. Look again: drover run watch ${runId}`);
  expect((await fine('attention', 'list')).stdout).toMatch(/^worker +Workers +.*No worker is there\.$/m);
  const overview = await call('overview');
  expect(overview.stdout).toContain('!  Workers: No worker is there.');
  expect(overview.stderr).toContain('drover attention dismiss NAME');
  expect((await call('attention', 'dismiss', 'Nobody')).stderr).toContain('The overview lists no "Nobody"');
  const dismissed = await server.cli.json('attention', 'dismiss', 'workers', '--note', 'They come tomorrow.');
  expect(undescribed(dismissed.lines)).toEqual([]);
  expect((await fine('attention', 'list')).stdout).not.toContain('Workers');
  const { stdout } = await fine('attention', 'dismissed');
  expect(stdout).toMatch(/worker +Workers +.* Ana \(Command line\) +They come tomorrow\. /);
  await fine('attention', 'restore', /\S+$/m.exec(stdout.trim().split('\n').at(-1) ?? '')?.[0] ?? '');
  const [entry = {}] = (await server.cli.json('attention', 'list')).lines;
  const { mark } = entry['entity'] as { mark: string };
  expect((await fine('attention', 'dismiss', mark)).stdout).toBe(
    '"Workers" is off the overview until something new happens.\n',
  );
  const again = await server.cli.json('job', 'start', 'One/Same');
  expect(again).toMatchObject({ exit: 6, summary: { error: { code: 'GUARD_BUSY' } } });
  await fine('run', 'cancel', runId);
  // Only a worker knows what a run left at its target.
  await server.startWorker();
  expect(await server.cli.json('run', 'watch', runId)).toMatchObject({ exit: 130, summary: { state: 'cancelled' } });
});
