/** Stand-ins for AWS KMS and Azure Key Vault over real HTTP: they check who asks and keep their keys to themselves. */
import {
  constants,
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  generateKeyPairSync,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
} from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import { listening } from '../wire.ts';

export interface Asked {
  readonly path: string;
  readonly target: string;
  readonly body: Readonly<Record<string, unknown>>;
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** What to answer instead, and how often; `null`: as it should. */
export interface Trouble {
  status: number;
  body: unknown;
  times: number;
}

const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Signature Version 4, written down anew from its description. */
function signatureIsRight(incoming: IncomingMessage, body: string, secret: string): boolean {
  const match =
    /^AWS4-HMAC-SHA256 Credential=[^/]+\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(
      incoming.headers.authorization ?? '',
    );
  if (match === null) return false;
  const [, day, region, service, names, signature] = match as unknown as string[];
  const list = (names ?? '').split(';');
  if (!['host', 'x-amz-date'].every((name) => list.includes(name))) return false;
  const headers = list.map((name) => `${name}:${String(incoming.headers[name]).trim()}\n`).join('');
  const canonical = [incoming.method, incoming.url, '', headers, names, sha256(body)].join('\n');
  const scope = `${day}/${region}/${service}/aws4_request`;
  const text = ['AWS4-HMAC-SHA256', incoming.headers['x-amz-date'], scope, sha256(canonical)].join('\n');
  const key = [region, service, 'aws4_request'].reduce(
    (known, part) => hmac(known, String(part)),
    hmac(`AWS4${secret}`, String(day)),
  );
  return hmac(key, text).toString('hex') === signature && service === 'kms';
}

async function server(answer: (incoming: IncomingMessage, asked: Asked, text: string) => Answer) {
  const asked: Asked[] = [];
  const trouble: { now: Trouble | null } = { now: null };
  const address = await listening(
    createServer((incoming, outgoing) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        const one: Asked = {
          path: incoming.url ?? '',
          target: String(incoming.headers['x-amz-target'] ?? ''),
          body: text === '' ? {} : (JSON.parse(text) as Asked['body']),
        };
        asked.push(one);
        let given = answer(incoming, one, text);
        if (trouble.now !== null && trouble.now.times > 0) {
          trouble.now.times -= 1;
          given = trouble.now;
        }
        outgoing.writeHead(given.status, { 'content-type': 'application/json' });
        outgoing.end(typeof given.body === 'string' ? given.body : JSON.stringify(given.body));
      });
    }),
  );
  return { url: `http://${address}`, asked, trouble };
}

export const AWS = {
  AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
  AWS_SECRET_ACCESS_KEY: 'planted/aws+secret',
  AWS_SESSION_TOKEN: 'planted-session-token',
};

/** Encrypt and Decrypt for the keys of these ARNs; what one wrapped another does not open. */
export async function kmsServer(keyArns: readonly string[]) {
  const keys = new Map(keyArns.map((arn) => [arn, randomBytes(32)]));
  const refuse = (type: string): Answer => ({
    status: 400,
    body: { __type: `com.amazonaws.kms#${type}`, message: 'no' },
  });
  return server((incoming, { target, body }, text) => {
    if (!signatureIsRight(incoming, text, AWS.AWS_SECRET_ACCESS_KEY)) return refuse('InvalidSignatureException');
    if (incoming.headers['x-amz-security-token'] !== AWS.AWS_SESSION_TOKEN)
      return refuse('UnrecognizedClientException');
    if (incoming.headers['content-type'] !== 'application/x-amz-json-1.1') return refuse('UnknownOperationException');
    const keyId = String(body['KeyId']);
    const key = keys.get(keyId);
    if (key === undefined) return refuse('NotFoundException');
    const context = JSON.stringify(body['EncryptionContext']);
    if (target === 'TrentService.Encrypt') {
      const nonce = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(context));
      const sealed = Buffer.concat([cipher.update(Buffer.from(String(body['Plaintext']), 'base64')), cipher.final()]);
      const blob = Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64');
      return { status: 200, body: { KeyId: keyId, CiphertextBlob: blob } };
    }
    const blob = Buffer.from(String(body['CiphertextBlob']), 'base64');
    try {
      const cipher = createDecipheriv('aes-256-gcm', key, blob.subarray(0, 12));
      cipher.setAAD(Buffer.from(context)).setAuthTag(blob.subarray(12, 28));
      const plain = Buffer.concat([cipher.update(blob.subarray(28)), cipher.final()]).toString('base64');
      return { status: 200, body: { KeyId: keyId, Plaintext: plain } };
    } catch {
      return refuse('IncorrectKeyException');
    }
  });
}

/** wrapkey and unwrapkey of `keys/main`, whose newest version is `v2`; RSA-OAEP-256, and tokens for the vault alone. */
export async function vaultServer() {
  const versions = new Map(['v1', 'v2'].map((name) => [name, generateKeyPairSync('rsa', { modulusLength: 2048 })]));
  const padding = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' };
  const vault = await server((incoming, { path, body }) => {
    if (path.startsWith('/msi/token')) {
      const isForVault = path.includes(encodeURIComponent('https://vault.azure.net'));
      const isProved = incoming.headers['x-identity-header'] === 'proof';
      if (!isForVault || !isProved) return { status: 400, body: {} };
      return {
        status: 200,
        body: { access_token: 'planted-vault-token', expires_on: String(Math.floor(Date.now() / 1000) + 3600) },
      };
    }
    if (incoming.headers.authorization !== 'Bearer planted-vault-token')
      return { status: 401, body: { error: { code: 'Unauthorized' } } };
    const match = /^\/keys\/main(?:\/(\w+))?\/(wrapkey|unwrapkey)\?api-version=7\.4$/.exec(path);
    const version = match?.[1] ?? 'v2';
    const pair = versions.get(version);
    if (match === null || pair === undefined) return { status: 404, body: { error: { code: 'KeyNotFound' } } };
    if (body['alg'] !== 'RSA-OAEP-256') return { status: 400, body: { error: { code: 'BadParameter' } } };
    const given = Buffer.from(String(body['value']), 'base64url');
    const kid = `http://${incoming.headers.host}/keys/main/${version}`;
    try {
      const made =
        match[2] === 'wrapkey'
          ? publicEncrypt({ key: pair.publicKey, ...padding }, given)
          : privateDecrypt({ key: pair.privateKey, ...padding }, given);
      return { status: 200, body: { kid, value: made.toString('base64url') } };
    } catch {
      return { status: 400, body: { error: { code: 'BadParameter', message: 'does not decrypt' } } };
    }
  });
  return vault;
}
