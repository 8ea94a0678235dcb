import { createHmac } from 'node:crypto';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { FakeClock } from '../../lib/fake-world.ts';
import type { Json } from '../../model/json.ts';
import type { HttpRequest, HttpResponse, OpenTransport } from '../../lib/transport.ts';
import type { Notifications, SubscriptionInput } from '../services.ts';
import { openTestWorld, type TestWorld } from '../testing.ts';
import { openNotifications, type NotificationsWithWork } from './service.ts';
import { wordsOf } from './words.ts';

interface Received {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

let world: TestWorld;
let clock: FakeClock;
let notifications: NotificationsWithWork;
let received: Received[] = [];
let answer: (request: HttpRequest) => Promise<number> = async () => 204;
const NEVER = new AbortController().signal;
const HOUR_MS = 3_600_000;
const SMTP_PASSWORD = 'mail-secret-7391';

const openTransport: OpenTransport = () => ({
  async send(request) {
    received.push({
      url: request.origin + request.path,
      headers: request.headers,
      body: Buffer.from(request.body?.content as Uint8Array).toString(),
    });
    return responseOf(await answer(request));
  },
  close: async () => undefined,
});

function responseOf(status: number): HttpResponse {
  const body = (async function* none(): AsyncGenerator<Uint8Array> {})();
  return { status, headers: {}, body, bytes: async () => Buffer.from('no'), discard: async () => undefined };
}

beforeAll(async () => {
  clock = new FakeClock();
  world = await openTestWorld({ clock, openTransport });
  notifications = openNotifications(world);
});
afterAll(async () => world.close());
afterEach(async () => {
  answer = async () => 204;
  received = [];
  await world.db.deleteFrom('subscriptions').execute();
});

let names = 0;
async function subscribe(change: Partial<SubscriptionInput> = {}, at: Pick<Notifications, 'create'> = notifications) {
  names += 1;
  return at.create(world.as('operator'), {
    name: `Subscriber ${names}`,
    kind: 'webhook',
    destination: `https://hooks.example.com/${names}?a=b`,
    events: ['run.completed', 'run.failed'],
    ...change,
  });
}

function tell(
  event: 'run.completed' | 'run.failed' | 'run.attention' = 'run.completed',
  projectId: string | null = null,
) {
  return notifications.tell(event, { runId: null, projectId, payload: { state: 'succeeded', items: { copied: 3 } } });
}

async function states(id: string): Promise<unknown[]> {
  const { items } = await notifications.deliveries(world.as('viewer'), id, { sort: 'number' });
  return items.map(({ state, attempts }) => [state, attempts]);
}

describe('a webhook', () => {
  test('gets one signed message for one event, and only those it wants', async () => {
    const { subscription, signingSecret } = await subscribe();
    await tell();
    await tell('run.attention');
    expect(await notifications.tick(NEVER)).toBe(1);
    const [{ url, headers, body } = never()] = received;
    expect(received).toHaveLength(1);
    expect(url).toBe(subscription.destination);
    const timestamp = headers['x-drover-timestamp'] ?? '';
    expect(Number(timestamp)).toBe(Math.floor(clock.now() / 1_000));
    const mac = createHmac('sha256', signingSecret ?? '')
      .update(`${timestamp}.${body}`)
      .digest('hex');
    expect(headers['x-drover-signature']).toBe(`sha256=${mac}`);
    expect(JSON.parse(body)).toMatchObject({ event: 'run.completed', payload: { state: 'succeeded' } });
    expect(await states(subscription.id)).toEqual([['delivered', 1]]);
    expect(await notifications.tick(NEVER)).toBe(0);
  });

  test('is tried again later and later, under the same id and with a new time, then given up', async () => {
    const { subscription } = await subscribe();
    answer = async () => 500;
    await tell();
    const waits: number[] = [];
    let lastMs = clock.now();
    for (let tries = 1; tries <= 12; tries++) {
      while ((await notifications.tick(NEVER)) === 0) await clock.advance(HOUR_MS / 360);
      waits.push(clock.now() - lastMs);
      lastMs = clock.now();
    }
    expect(waits.slice(0, 5)).toEqual([0, 10_000, 20_000, 40_000, 80_000]);
    expect(Math.max(...waits)).toBeLessThanOrEqual(4 * HOUR_MS + 10_000);
    expect(new Set(received.map(({ headers }) => headers['x-drover-event-id'])).size).toBe(1);
    expect(new Set(received.map(({ headers }) => headers['x-drover-timestamp'])).size).toBe(12);
    expect(await states(subscription.id)).toEqual([['failed', 12]]);
    await clock.advance(24 * HOUR_MS);
    expect(await notifications.tick(NEVER)).toBe(0);
    const { items } = await notifications.deliveries(world.as('viewer'), subscription.id, {});
    expect(items[0]?.error).toBe('The receiver answered with status 500.');
  });

  test('that is slow holds up nobody, and is cut off', async () => {
    const slow = await subscribe();
    const others = [await subscribe(), await subscribe()];
    answer = (request) =>
      `${request.origin}${request.path}` === slow.subscription.destination
        ? new Promise((_resolve, reject) =>
            request.signal.addEventListener('abort', () => reject(new Error('cut off'))),
          )
        : Promise.resolve(200);
    await tell();
    const ticking = notifications.tick(NEVER);
    for (const { subscription } of others) {
      await expect.poll(() => states(subscription.id)).toEqual([['delivered', 1]]);
    }
    await tell();
    // It looks again after a second, which begins when it has looked for the last time.
    const soon = async (id: string): Promise<unknown[]> => (await clock.advance(100), states(id));
    for (const { subscription } of others) {
      await expect.poll(() => soon(subscription.id)).toEqual(Array(2).fill(['delivered', 1]));
    }
    expect(await states(slow.subscription.id)).toContainEqual(['pending', 0]);
    let isOver = false;
    void ticking.then(() => (isOver = true));
    await expect.poll(async () => (await clock.advance(10_000), isOver)).toBe(true);
    const { items } = await notifications.deliveries(world.as('viewer'), slow.subscription.id, {});
    expect(items.map(({ error }) => error)).toContain('The receiver did not take it within 30 seconds.');
  });

  test('that is disabled or deleted gets nothing more', async () => {
    const disabled = await subscribe();
    const deleted = await subscribe();
    await tell();
    const operator = world.as('operator');
    const secrets = async () => (await sql`SELECT FROM secrets`.execute(world.db)).rows.length;
    const before = await secrets();
    await notifications.update(operator, disabled.subscription.id, 1, { enabled: false });
    await notifications.remove(operator, deleted.subscription.id, 1);
    expect(await notifications.tick(NEVER)).toBe(0);
    expect(received).toEqual([]);
    expect(await secrets()).toBe(before - 1);
  });

  test('of one project hears of this one only', async () => {
    const [mine, other] = ['01920000-0000-7000-8000-00000000000a', '01920000-0000-7000-8000-00000000000b'];
    for (const id of [mine, other]) {
      await sql`INSERT INTO projects (id, created_at, created_by, updated_at, name)
        VALUES (${id}, now(), 'x', now(), ${id})`.execute(world.db);
    }
    await subscribe({ projectId: mine });
    await tell('run.completed', other);
    await tell('run.completed', null);
    expect(await notifications.tick(NEVER)).toBe(0);
    await tell('run.completed', mine);
    expect(await notifications.tick(NEVER)).toBe(1);
  });

  test('is sent by one of many servers, once', async () => {
    const second = openNotifications(world);
    for (let at = 0; at < 5; at++) await subscribe();
    await tell();
    const handled = await Promise.all([notifications.tick(NEVER), second.tick(NEVER)]);
    expect(handled[0] + handled[1]).toBe(5);
    expect(new Set(received.map(({ url }) => url)).size).toBe(5);
    expect(received).toHaveLength(5);
  });

  test('whose server died while sending is told by another after the hold', async () => {
    const { subscription } = await subscribe();
    await tell();
    const dying = new AbortController();
    answer = (request) =>
      new Promise((_resolve, reject) => request.signal.addEventListener('abort', () => reject(new Error())));
    const first = notifications.tick(dying.signal);
    await expect.poll(() => received.length).toBe(1);
    dying.abort();
    await first;
    answer = async () => 200;
    const second = openNotifications(world);
    expect(await second.tick(NEVER)).toBe(0);
    await sql`UPDATE deliveries SET next_attempt_at = ${new Date(clock.now())}`.execute(world.db);
    expect(await second.tick(NEVER)).toBe(1);
    expect(await states(subscription.id)).toEqual([['delivered', 2]]);
  });

  test.each(['none', 'daily'] as const)(
    'that ends every server which sends it is given up, said so, and sent again when somebody asks (digest: %s)',
    async (digest) => {
      const { subscription } = await subscribe({ digest });
      await tell();
      for (let tries = 0; tries < 12; tries++) {
        await clock.advance(25 * HOUR_MS);
        const dying = new AbortController();
        answer = async () => {
          dying.abort();
          throw new Error('the process ends here');
        };
        await openNotifications(world).tick(dying.signal);
        expect(await states(subscription.id)).toEqual([['pending', tries + 1]]);
      }
      answer = async () => 200;
      await clock.advance(25 * HOUR_MS);
      await notifications.tick(NEVER);
      expect(received).toHaveLength(12);
      const { items } = await notifications.deliveries(world.as('viewer'), subscription.id, {});
      expect(items).toMatchObject([
        { state: 'failed', attempts: 12, error: expect.stringContaining('the server that made it stopped') },
      ]);
      await expect(notifications.retry(world.as('viewer'), subscription.id)).rejects.toMatchObject({
        code: 'FORBIDDEN',
      });
      expect(await notifications.retry(world.as('operator'), subscription.id)).toEqual({ changed: 1 });
      await clock.advance(25 * HOUR_MS);
      expect(await notifications.tick(NEVER)).toBe(1);
      expect(await states(subscription.id)).toEqual([['delivered', 1]]);
      expect(new Set(received.map(({ headers }) => headers['x-drover-event-id'])).size).toBe(1);
      expect(received[0]?.headers['x-drover-event-id']).toBe(items[0]?.eventId);
      expect(await notifications.retry(world.as('operator'), subscription.id)).toEqual({ changed: 0 });
    },
  );

  test('tells all its subscribers of one event under one id, and of two under two', async () => {
    await subscribe();
    await subscribe();
    await tell();
    await tell();
    await notifications.tick(NEVER);
    const ids = received.map(({ headers, body }) => [
      headers['x-drover-event-id'],
      (JSON.parse(body) as { id: string }).id,
    ]);
    expect(ids.every(([header, inside]) => header === inside)).toBe(true);
    expect(ids).toHaveLength(4);
    expect(new Set(ids.map(([header]) => header)).size).toBe(2);
  });

  test('comes also where the one before it was taken just while more was looked for', async () => {
    const { subscription } = await subscribe();
    await tell();
    await tell();
    let [hasFirst, lookups] = [false, 0];
    const selects = new WeakSet<object>();
    // The first one is on its way until somebody has looked for more.
    const looked = Promise.withResolvers<void>();
    answer = async () => {
      await looked.promise;
      return 204;
    };
    const lookedFor = world.db.withPlugin({
      transformQuery({ node, queryId }) {
        if (node.kind === 'SelectQueryNode' && JSON.stringify(node.from).includes('"deliveries"')) selects.add(queryId);
        return node;
      },
      async transformResult({ queryId, result }) {
        if (!selects.has(queryId)) return result;
        if (result.rows.length > 0) hasFirst = true;
        if (result.rows.length > 0 || !hasFirst || lookups > 0) return result;
        // Nothing is due for anybody else; before this is known, the first one was delivered.
        lookups += 1;
        looked.resolve();
        await expect.poll(() => states(subscription.id)).toContainEqual(['delivered', 1]);
        await new Promise((resolve) => setImmediate(resolve));
        return result;
      },
    });
    expect(await openNotifications({ ...world, db: lookedFor }).tick(NEVER)).toBe(2);
    expect(lookups).toBe(1);
    expect(received).toHaveLength(2);
  });
});

describe('a digest', () => {
  test('is one message a day with everything in it, retried as one', async () => {
    const { subscription } = await subscribe({ digest: 'daily' });
    for (let at = 0; at < 5; at++) await tell();
    expect(await notifications.tick(NEVER)).toBe(0);
    await clock.advance(24 * HOUR_MS);
    answer = async () => 503;
    expect(await notifications.tick(NEVER)).toBe(1);
    expect(await notifications.tick(NEVER)).toBe(0);
    answer = async () => 200;
    await clock.advance(10_000);
    await tell();
    expect(await notifications.tick(NEVER)).toBe(1);
    expect(received).toHaveLength(2);
    // Another one: there is more in it.
    expect(new Set(received.map(({ headers }) => headers['x-drover-event-id'])).size).toBe(2);
    expect(JSON.parse(received[1]?.body ?? '')).toMatchObject({
      event: 'digest',
      payload: { messages: { length: 6 } },
    });
    expect((await states(subscription.id)).every((one) => (one as string[])[0] === 'delivered')).toBe(true);
    await tell();
    await clock.advance(HOUR_MS);
    expect(await notifications.tick(NEVER)).toBe(0);
    await notifications.update(world.as('operator'), subscription.id, null, { digest: 'none' });
    expect(await notifications.tick(NEVER)).toBe(1);
  });
});

describe('a mail', () => {
  test('says in words what happened; many events are one mail', async () => {
    await using server = await openSmtp();
    const settings = {
      ...world.settings,
      smtpUrl: server.url,
      mailFrom: 'Drover <drover@example.com>',
      publicUrl: 'https://drover.example.com',
    };
    const mailing = openNotifications({ ...world, settings });
    const { subscription } = await subscribe(
      { kind: 'email', destination: 'ops@example.com', digest: 'daily' },
      mailing,
    );
    const payload = {
      job: 'Nightly',
      project: 'Photos',
      number: 4,
      state: 'failed',
      items: { copied: 1, scanned: 9, failed: 8 },
    };
    await mailing.tell('run.failed', { runId: 'abcdefgh', projectId: null, payload });
    await mailing.tell('run.completed', { runId: null, projectId: null, payload: {} });
    await clock.advance(24 * HOUR_MS);
    expect(await mailing.tick(NEVER)).toBe(1);
    expect(server.mails).toHaveLength(1);
    const [mail = ''] = server.mails;
    expect(mail).toContain('Subject: Drover: 2 events');
    expect(mail).toContain('Run 4 of "Photos/Nightly" failed.');
    expect(mail).toContain('https://drover.example.com/runs/abcdefgh');
    expect(mail).toContain('To: ops@example.com');
    expect(mail).toMatch(/^Message-ID: <[0-9a-f]{32}@example\.com>\r?$/m);
    expect(await states(subscription.id)).toEqual([
      ['delivered', 1],
      ['delivered', 1],
    ]);
  });

  test.each<[string, Json, readonly string[]]>([
    [
      'run.completed',
      { kind: 'transfer', state: 'completed-with-issues', items: { scanned: 6, deleted: 3 }, deletesFailed: 1 },
      ['State: Completed with issues.', '3 deleted at the target.', '1 could not be deleted at the target.'],
    ],
    [
      'run.completed',
      { kind: 'dry-run', state: 'succeeded', items: { scanned: 6 }, differences: { extra: 3 } },
      ['State: Succeeded.', 'A dry run: 0 of 6 objects would be transferred', '3 would be deleted at the target.'],
    ],
    [
      'run.attention',
      { job: 'Nightly', project: 'Photos', number: 4, kind: 'validate', state: 'completed-with-issues' },
      ['Run 4 of "Photos/Nightly" has found something.'],
    ],
    [
      'run.failed',
      { job: 'Nightly', project: 'Photos', number: 4, state: 'failed', reason: 'It is gone.', remedy: 'Make it.' },
      ['It is gone.', 'Make it.'],
    ],
  ])('about %s %#', (event, payload, words) => {
    const { text } = wordsOf([{ id: '1', event, at: '2026-01-01T00:00:00.000Z', payload }], null);
    for (const each of words) expect(text).toContain(each);
  });

  test('that is refused says why without what the server repeated', async () => {
    await using server = await openSmtp('550 5.1.1 no such user; auth was plain');
    const settings = { ...world.settings, smtpUrl: server.url, mailFrom: 'drover@example.com' };
    const mailing = openNotifications({ ...world, settings });
    const { subscription } = await subscribe({ kind: 'email', destination: 'gone@example.com' }, mailing);
    await mailing.tell('run.failed', { runId: null, projectId: null, payload: {} });
    await mailing.tick(NEVER);
    const { items } = await mailing.deliveries(world.as('viewer'), subscription.id, {});
    expect(items[0]).toMatchObject({ state: 'pending', error: 'The mail server did not take the mail (550).' });
    await using kind = await openSmtp();
    const other = openNotifications({ ...world, settings: { ...settings, smtpUrl: kind.url } });
    await clock.advance(10_000);
    await other.tick(NEVER);
    // By the event, so that the same mail sent twice can be told from two.
    expect(kind.mails[0]).toContain(`Message-ID: <${items[0]?.eventId}@example.com>`);
    const { error } = await notifications.test(world.as('operator'), subscription.id, NEVER);
    expect(error).toBe('No mail server is set, so mails cannot be sent.');
  });
});

test('a subscription by mail is refused where no mail can be sent', async () => {
  await expect(subscribe({ kind: 'email', destination: 'ops@example.com' })).rejects.toMatchObject({
    code: 'INVALID_INPUT',
    field: 'kind',
  });
});

test('no secret stands in a delivery, an answer, an audit line or a log line', async () => {
  const { subscription, signingSecret } = await subscribe();
  answer = async () => 500;
  await tell();
  await notifications.tick(NEVER);
  await notifications.update(world.as('operator'), subscription.id, null, { name: 'Another name' });
  const tables = await Promise.all(
    ['deliveries', 'subscriptions', 'audit'].map((table) => sql`SELECT * FROM ${sql.table(table)}`.execute(world.db)),
  );
  const everything = JSON.stringify([
    tables.map(({ rows }) => rows),
    await notifications.list(world.as('admin'), {}),
    world.logged,
  ]);
  expect(everything).toContain('Another name');
  expect(everything).not.toContain(signingSecret);
  expect(everything).not.toContain(SMTP_PASSWORD);
});

test.each<[string, Partial<SubscriptionInput>, string]>([
  ['plain http', { destination: 'http://hooks.example.com/' }, 'destination'],
  ['a password in the address', { destination: 'https://a:b@hooks.example.com/' }, 'destination'],
  ['no address', { destination: 'nonsense' }, 'destination'],
  ['two mail addresses', { kind: 'email', destination: 'a@example.com, b@example.com' }, 'destination'],
  ['a mail header', { kind: 'email', destination: 'a@example.com\r\nBcc: b@example.com' }, 'destination'],
  ['no events', { events: [] }, 'events'],
  ['an unknown event', { events: ['run.item' as 'run.failed'] }, 'events'],
  ['an odd project', { projectId: 'x' }, 'projectId'],
  ['no name', { name: ' ' }, 'name'],
])('a subscription with %s is refused at its field', async (_what, change, field) => {
  await expect(subscribe(change)).rejects.toMatchObject({ code: 'INVALID_INPUT', field });
});

function never(): Received {
  throw new Error('nothing came');
}

interface Smtp extends AsyncDisposable {
  readonly url: string;
  readonly mails: string[];
}

/** Takes mails, or refuses every recipient with that line. */
async function openSmtp(refusal: string | null = null): Promise<Smtp> {
  const mails: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.write('220 here\r\n');
    let isMail = false;
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString();
      for (;;) {
        const end = isMail ? text.indexOf('\r\n.\r\n') : text.indexOf('\r\n');
        if (end < 0) return;
        const part = text.slice(0, end);
        text = text.slice(end + (isMail ? 5 : 2));
        if (isMail) {
          mails.push(part.replaceAll('=\r\n', ''));
          isMail = false;
          socket.write('250 taken\r\n');
        } else if (part.startsWith('EHLO')) socket.write('250-here\r\n250 AUTH PLAIN\r\n');
        else if (part.startsWith('RCPT') && refusal !== null) socket.write(`${refusal} ${SMTP_PASSWORD}\r\n`);
        else if (part === 'DATA') {
          isMail = true;
          socket.write('354 go on\r\n');
        } else socket.write(part.startsWith('AUTH') ? '235 yes\r\n' : '250 fine\r\n');
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `smtp://drover:${SMTP_PASSWORD}@127.0.0.1:${port}`,
    mails,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
