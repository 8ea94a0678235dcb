/**
 * A server and its worker as processes, with a secret in every place that takes one, among services that refuse by
 * repeating what they were sent. Afterwards no secret stands in any log, table, backup, artifact or answer.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createSecure } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import pg from 'pg';
import { expect, test } from 'vitest';
import { API_BASE, ROUTES } from '../../src/api/routes/all.ts';
import { openBackup } from './opened-backup.ts';
import { makeAuthority } from '../certificates.ts';
import { openTestDatabase } from '../postgres.ts';
import { listening } from '../wire.ts';
import { echoingBlobs, echoingIssuer, echoingMail, echoingReceiver, echoingS3, repeating } from './echoes.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/drover', import.meta.url));
const HOOK = 'planted-hook-path/secret';
const SECRETS = {
  masterKey: randomBytes(32).toString('base64'),
  password: 'planted password of ana',
  wrongPassword: 'planted wrong password',
  secretAccessKey: 'planted/secret+access/key0123456789abcdef',
  sessionToken: 'planted//session+token==0123456789',
  customerKey: Buffer.from('planted customer key 0123456789!').toString('base64'),
  accountKey: Buffer.from('planted account key of contoso 0123456789').toString('base64'),
  sharedAccess: 'plantedsig0123456789%2Bab%3D',
  clientSecret: 'planted~client.secret-0123456789',
  privateKey: generateKeyPairSync('rsa', { modulusLength: 2048 })
    .privateKey.export({ type: 'pkcs8', format: 'pem' })
    .toString(),
  oidcSecret: 'planted-oidc-secret-0123456789',
  oidcCode: 'planted-oidc-code-0123456789',
  mailPassword: 'planted-mail-password',
  environmentKey: 'planted/environment+secret0123456789abcd',
  header: 'planted-header-value',
  query: 'planted-query-value',
  wrongToken: 'drv_planted-wrong-token-0123456789',
} as const;

const all: string[] = Object.values(SECRETS).flatMap((secret) =>
  secret.includes('-----') ? secret.split('\n').filter((line) => line.length >= 60) : [secret],
);

const formEncoded = (text: string): string => new URLSearchParams([['', text]]).toString().slice(1);

/** Which secret, without showing it; `null`: none. */
function leakOf(text: string, secrets: readonly string[] = all): string | null {
  for (const [at, secret] of secrets.entries()) {
    const forms = [
      secret,
      decodeURIComponent(secret.replaceAll('%', secret === SECRETS.sharedAccess ? '%' : '%25')),
      encodeURIComponent(secret),
      formEncoded(secret),
      Buffer.from(secret).toString('base64').replace(/=+$/, '').slice(0, -2),
      JSON.stringify(secret).slice(1, -1),
    ];
    for (const form of forms) {
      const found = text.indexOf(form);
      if (found >= 0)
        return `secret ${at} (${Object.keys(SECRETS)[at] ?? 'made'}) after ${JSON.stringify(text.slice(Math.max(0, found - 120), found))}`;
    }
  }
  return null;
}

test('no secret stands anywhere it does not belong', { timeout: 420_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'drover-secrets-'));
  const database = await openTestDatabase();
  const [s3, blobs, issuer, receiver, mail] = await Promise.all([
    echoingS3(),
    echoingBlobs(),
    echoingIssuer(),
    echoingReceiver(),
    echoingMail(),
  ]);
  const tokens: string[] = [];
  const authority = makeAuthority();
  const { certificate, key } = authority.issue(['127.0.0.1']);
  const entra = await listening(
    createSecure(
      { cert: certificate, key },
      repeating(tokens, ({ url = '', headers }, words) => {
        const at = `https://${headers.host}${url.split('/v2.0/')[0]}`;
        const known = {
          issuer: `${at}/v2.0`,
          token_endpoint: `${at}/oauth2/v2.0/token`,
          authorization_endpoint: `${at}/oauth2/v2.0/authorize`,
          jwks_uri: `${at}/discovery/v2.0/keys`,
        };
        if (url.includes('openid-configuration')) return { type: 'application/json', body: JSON.stringify(known) };
        const body = JSON.stringify({ error: 'invalid_client', error_description: `AADSTS7000218: ${words}` });
        return { status: 401, type: 'application/json', body };
      }),
    ),
  );
  const environment: Record<string, string> = {
    PATH: process.env['PATH'] ?? '',
    HOME: folder,
    DATABASE_URL: database.url,
    DROVER_DATA_DIR: join(folder, 'data'),
    DROVER_ARTIFACTS: join(folder, 'artifacts'),
    DROVER_MASTER_KEY: SECRETS.masterKey,
    DROVER_LISTEN: '127.0.0.1:0',
    DROVER_LOCAL_WORKERS: '1',
    DROVER_LOG_LEVEL: 'debug',
    DROVER_LOG_FORMAT: 'json',
    DROVER_OIDC_ISSUER: issuer.url,
    DROVER_OIDC_CLIENT_ID: 'drover',
    DROVER_OIDC_CLIENT_SECRET: SECRETS.oidcSecret,
    DROVER_SMTP_URL: `smtp://ana:${SECRETS.mailPassword}@${mail.url}`,
    DROVER_MAIL_FROM: 'drover@acme.example',
    AWS_ACCESS_KEY_ID: 'AKIDENVIRONMENT',
    AWS_SECRET_ACCESS_KEY: SECRETS.environmentKey,
  };
  let output = '';
  const server: ChildProcess = spawn(PROGRAM, ['serve'], { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise((resolve) => server.once('close', resolve));
  const ready = new Promise<{ url: string; setupUrl: string }>((resolve, reject) => {
    const collect = (chunk: Buffer): void => {
      output += chunk.toString('utf8');
      const line = output.split('\n').find((one) => one.startsWith('{"type":"ready"') && one.endsWith('}'));
      if (line !== undefined) resolve(JSON.parse(line) as { url: string; setupUrl: string });
    };
    server.stdout?.on('data', collect);
    server.stderr?.on('data', collect);
    void ended.then(() => reject(new Error(`It ended: ${output.slice(-2_000)}`)));
  });
  try {
    const { url, setupUrl } = await ready;
    /** Everything that was answered, but to whom a secret was given on purpose. */
    let answers = '';
    let token = '';
    const ask = async (method: string, path: string, body?: object, headers: Record<string, string> = {}) => {
      const response = await fetch(url + path, {
        method,
        redirect: 'manual',
        headers: {
          ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      return {
        status: response.status,
        text,
        cookies: response.headers.getSetCookie(),
        location: response.headers.get('location') ?? '',
      };
    };
    const tell = async (method: string, path: string, body?: object, headers: Record<string, string> = {}) => {
      const answer = await ask(method, API_BASE + path, body, headers);
      answers += `${answer.text}\n${answer.location}\n`;
      return answer;
    };
    const made = async (path: string, body: object): Promise<{ id: string }> => {
      const { status, text } = await tell('POST', path, body);
      if (status >= 300) throw new Error(`${path}: ${text}`);
      return JSON.parse(text.trim().split('\n').at(-1) as string) as { id: string };
    };

    // People, and what they get wrong.
    const link = setupUrl.split('#t=')[1] as string;
    const entered = await ask(
      'POST',
      `${API_BASE}/setup`,
      { token: link, email: 'ana@acme.example', password: SECRETS.password },
      { origin: url },
    );
    expect(entered.status).toBe(200);
    const { csrfToken } = JSON.parse(entered.text) as { csrfToken: string };
    const cookie = entered.cookies.join().split(';')[0] as string;
    await tell('POST', '/sign-in', { email: 'ana@acme.example', password: SECRETS.wrongPassword }, { origin: url });
    await tell('POST', '/sign-in', { email: SECRETS.wrongPassword, password: SECRETS.wrongPassword }, { origin: url });
    await tell(
      'POST',
      '/sign-in',
      { email: 'ana@acme.example', password: SECRETS.password, extra: SECRETS.password },
      { origin: url },
    );
    await tell('GET', '/me', undefined, { authorization: `Bearer ${SECRETS.wrongToken}` });
    await tell('GET', `/runs?token=${SECRETS.query}&cursor=${SECRETS.query}`, undefined, {
      cookie,
      'x-planted': SECRETS.header,
      'x-csrf-token': SECRETS.header,
    });
    const makeToken = async (role: string): Promise<string> => {
      const { text } = await ask(
        'POST',
        `${API_BASE}/tokens`,
        { name: role, role, expiresAt: null },
        { cookie, 'x-csrf-token': csrfToken, origin: url },
      );
      return (JSON.parse(text) as { secret: string }).secret;
    };
    token = await makeToken('admin');
    const viewer = await makeToken('viewer');
    all.push(link, cookie.split('=')[1] as string, csrfToken, token, viewer);
    const begun = await ask('GET', `${API_BASE}/sign-in/oidc`, undefined, { authorization: '' });
    const state = new URL(begun.location).searchParams.get('state') ?? '';
    await tell('GET', `/sign-in/oidc/callback?code=${SECRETS.oidcCode}&state=${state}`, undefined, {
      authorization: '',
      cookie: begun.cookies.join().split(';')[0] as string,
    });

    // Connectors of every provider, with every secret that they take.
    const connector = (provider: string, config: object) => tell('POST', '/connectors', { provider, config });
    const keys = {
      accessKeyId: 'AKIDPLANTED',
      secretAccessKey: SECRETS.secretAccessKey,
      sessionToken: SECRETS.sessionToken,
    };
    const bucket = await made('/connectors', {
      provider: 's3',
      name: 'Bucket',
      config: { ...keys, endpoint: s3.url, encryption: 'SSE-C', customerKey: SECRETS.customerKey },
    });
    const blobEndpoint = `${blobs.url}/contosodata`;
    const sas = `sv=2025-01-05&ss=b&srt=sco&sp=rl&se=2099-01-01T00:00:00Z&sig=${SECRETS.sharedAccess}`;
    await connector('azure-blob', { accountName: 'contosodata', sasToken: sas, endpoint: blobEndpoint });
    await connector('azure-blob', {
      accountName: 'contosodata',
      accountKey: SECRETS.accountKey,
      endpoint: blobEndpoint,
    });
    await connector('azure-blob', {
      connectionString: `AccountName=contosodata;AccountKey=${SECRETS.accountKey};BlobEndpoint=${blobEndpoint}`,
    });
    const app = {
      accountName: 'contosodata',
      tenantId: '00000000-0000-0000-0000-000000000001',
      clientId: 'app',
      authority: `https://${entra}`,
      caCertificate: authority.certificate,
    };
    await connector('azure-blob', { ...app, authorization: 'client-secret', clientSecret: SECRETS.clientSecret });
    await connector('azure-blob', {
      ...app,
      authorization: 'client-certificate',
      clientCertificate: `${SECRETS.privateKey}${certificate}`,
    });
    // In the wrong place, and in a body that is none.
    await connector('s3', {
      accessKeyId: 5,
      secretAccessKey: { a: SECRETS.secretAccessKey },
      secretKey: SECRETS.secretAccessKey,
      endpoint: `https://a:${SECRETS.secretAccessKey.replaceAll('/', '')}@x`,
    });
    await connector('s3', { authorization: 'chain', endpoint: s3.url });
    await tell('POST', `/connectors/${bucket.id}/reauthorize`, {
      config: { ...keys, endpoint: s3.url, encryption: 'SSE-C', customerKey: SECRETS.customerKey },
    });
    await tell('POST', `/connectors/${bucket.id}/check`, { use: 'both', place: { container: 'from', prefix: '' } });
    mkdirSync(join(folder, 'files'));
    const files = await made('/connectors', {
      provider: 'local',
      name: 'Files',
      config: { root: join(folder, 'files') },
    });

    // Runs that fail at what was repeated, and messages about them.
    await tell('POST', '/subscriptions', {
      name: 'Mail',
      kind: 'email',
      destination: 'ops@acme.example',
      events: ['run.failed'],
    }).then(async ({ text }) => {
      const { subscription } = JSON.parse(text) as { subscription: { id: string } };
      await tell('POST', `/subscriptions/${subscription.id}/test`);
    });
    const hook = await ask(
      'POST',
      `${API_BASE}/subscriptions`,
      {
        name: 'Hook',
        kind: 'webhook',
        destination: `${receiver.url}/${HOOK}?key=${SECRETS.query}`,
        events: ['run.failed', 'run.attention', 'run.completed'],
      },
      { 'idempotency-key': 'hook' },
    );
    const { subscription, signingSecret } = JSON.parse(hook.text) as {
      subscription: { id: string };
      signingSecret: string;
    };
    all.push(signingSecret, HOOK);
    await tell('POST', `/subscriptions/${subscription.id}/test`);
    const source = await made('/endpoints', {
      kind: 'source',
      connectorId: bucket.id,
      place: { container: 'from', prefix: '' },
    });
    const target = await made('/endpoints', {
      kind: 'target',
      connectorId: files.id,
      place: { container: join(folder, 'files'), prefix: '' },
    });
    const project = await made('/projects', { name: 'Photos' });
    const job = await made(`/projects/${project.id}/jobs`, {
      name: 'All',
      sourceEndpointId: source.id,
      targetEndpointId: target.id,
    });
    await tell('POST', `/jobs/${job.id}/preflight`, {});
    const run = await made(`/jobs/${job.id}/runs`, { kind: 'transfer' });
    await expect
      .poll(
        async () =>
          (JSON.parse((await ask('GET', `${API_BASE}/runs/${run.id}`)).text) as { endedAt: string | null }).endedAt,
        { timeout: 150_000, interval: 250 },
      )
      .not.toBeNull();
    await expect.poll(() => receiver.heard.length, { timeout: 120_000 }).toBeGreaterThan(1);
    await tell('POST', '/definitions/export', {});

    // Everything that can be read, by who may see all, and of the subscriptions by who may not.
    const ids: Record<string, string> = {
      connectors: bucket.id,
      endpoints: source.id,
      projects: project.id,
      jobs: job.id,
      runs: run.id,
      subscriptions: subscription.id,
    };
    for (const { method, path, name } of ROUTES) {
      const kind = path.split('/')[1] as string;
      if (method !== 'GET' || name === 'followEvents' || name === 'beginOidc' || name === 'finishOidc') continue;
      if (path.includes('{id}') && ids[kind] === undefined) continue;
      await tell(
        'GET',
        path.replace('{id}', ids[kind] ?? ''),
        undefined,
        kind === 'subscriptions' ? { authorization: `Bearer ${viewer}` } : {},
      );
    }
    for (const path of ['/metrics', '/healthz', '/readyz']) answers += (await ask('GET', path)).text;
    const backup = await openBackup(environment, join(folder, 'backup.gz'));
    server.kill('SIGTERM');
    await ended;

    // There was something to repeat, and it was repeated.
    const heard = [s3, blobs, issuer, receiver, mail].map(({ heard: words }) => words.join('\n'));
    const repeated = {
      session: heard[0]?.includes(SECRETS.sessionToken),
      customerKey: heard[0]?.includes(SECRETS.customerKey),
      signature: heard[1]?.includes(SECRETS.sharedAccess),
      code: heard[2]?.includes(SECRETS.oidcCode),
      hook: heard[3]?.includes(HOOK),
      clientSecret: tokens.join().includes(encodeURIComponent(SECRETS.clientSecret)),
      mail: heard[4]?.includes('AUTH'),
    };
    expect(Object.entries(repeated).filter(([, isThere]) => isThere !== true)).toEqual([]);
    for (const [text, what] of [
      [answers, 'answers'],
      [output, 'log'],
    ] as const)
      expect([what, text.length > 5_000]).toEqual([what, true]);
    expect(answers).toContain('echoed');

    expect(['answers', leakOf(answers)]).toEqual(['answers', null]);
    // The one who reads the terminal is given the link on purpose.
    const log = output.split('\n').filter((line) => !line.includes('/setup#t='));
    expect(['log', leakOf(log.join('\n'))]).toEqual(['log', null]);
    // Compared with a header of each request, and worth nothing without the cookie, of which only a hash is kept.
    const inTables = all.filter((secret) => secret !== csrfToken);
    expect(['backup', leakOf(backup, inTables)]).toEqual(['backup', null]);
    expect(backup).toContain('Photos');
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    const { rows: tables } = await client.query<{ name: string }>(
      `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public'`,
    );
    for (const { name } of tables) {
      const { rows } = await client.query<{ text: string }>(`SELECT row_to_json(t)::text AS text FROM "${name}" t`);
      const text = rows.map((row) =>
        row.text.replaceAll(/\\\\x([0-9a-f]+)/g, (_, hex: string) => Buffer.from(hex, 'hex').toString('latin1')),
      );
      expect([name, leakOf(text.join('\n'), inTables)]).toEqual([name, null]);
    }
    await client.end();
    const kept = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(
      (entry) => entry.isFile() && entry.name !== 'backup.gz',
    );
    expect(kept.some(({ parentPath }) => parentPath.includes('artifacts'))).toBe(true);
    for (const { parentPath, name } of kept) {
      const bytes = readFileSync(join(parentPath, name));
      const text = (bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes).toString('latin1');
      expect([name, leakOf(text)]).toEqual([name, null]);
    }
  } finally {
    server.kill('SIGKILL');
    await ended;
    await database.drop();
    rmSync(folder, { recursive: true, force: true });
  }
});
