/** Throw-away certificates for TLS servers on loopback, made without any tool. */
import { generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';

export interface Issued {
  readonly certificate: string;
  readonly key: string;
}

export interface Authority {
  /** PEM. */
  readonly certificate: string;
  /** A server certificate for these DNS names and IPv4 addresses. */
  issue(names: readonly string[], validity?: { readonly fromMs?: number; readonly untilMs?: number }): Issued;
}

const DAY_MS = 86_400_000;

export function makeAuthority(commonName = 'Drover test authority'): Authority {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const issuer = nameOf(commonName);
  const certificate = makeCertificate({
    issuer,
    subject: issuer,
    publicKey: pair.publicKey,
    signer: pair.privateKey,
    extensions: [extension('551d13', true, sequence(boolean(true))), extension('551d0f', true, bits([0x06]))],
  });
  return {
    certificate,
    issue(names, validity) {
      const own = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const leaf = makeCertificate({
        issuer,
        subject: nameOf(names[0] ?? 'nobody'),
        publicKey: own.publicKey,
        signer: pair.privateKey,
        extensions: [extension('551d11', false, sequence(...names.map(alternativeName)))],
        ...validity,
      });
      return { certificate: leaf, key: own.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string };
    },
  };
}

function makeCertificate(parts: {
  readonly issuer: Buffer;
  readonly subject: Buffer;
  readonly publicKey: KeyObject;
  readonly signer: KeyObject;
  readonly extensions: readonly Buffer[];
  readonly fromMs?: number;
  readonly untilMs?: number;
}): string {
  const now = Date.now();
  const algorithm = sequence(objectId('2a8648ce3d040302'));
  const content = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.concat([Buffer.from([0x01]), randomBytes(8)])),
    algorithm,
    parts.issuer,
    sequence(time(parts.fromMs ?? now - DAY_MS), time(parts.untilMs ?? now + DAY_MS)),
    parts.subject,
    parts.publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...parts.extensions)),
  );
  const whole = sequence(content, algorithm, bits(sign('sha256', content, parts.signer)));
  const lines = whole.toString('base64').match(/.{1,64}/g) as string[];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function der(tag: number, ...content: readonly Buffer[]): Buffer {
  const body = Buffer.concat(content);
  if (body.length < 0x80) return Buffer.concat([Buffer.from([tag, body.length]), body]);
  const length = Buffer.from(body.length.toString(16).padStart(4, '0'), 'hex');
  return Buffer.concat([Buffer.from([tag, 0x80 | length.length]), length, body]);
}

function sequence(...content: readonly Buffer[]): Buffer {
  return der(0x30, ...content);
}

function objectId(hex: string): Buffer {
  return der(0x06, Buffer.from(hex, 'hex'));
}

function boolean(value: boolean): Buffer {
  return der(0x01, Buffer.from([value ? 0xff : 0]));
}

function bits(content: Uint8Array | readonly number[]): Buffer {
  return der(0x03, Buffer.from([0]), Buffer.from(content));
}

function time(ms: number): Buffer {
  const text = new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, '');
  return der(0x18, Buffer.from(text, 'latin1'));
}

function nameOf(commonName: string): Buffer {
  return sequence(der(0x31, sequence(objectId('550403'), der(0x0c, Buffer.from(commonName)))));
}

function extension(id: string, critical: boolean, content: Buffer): Buffer {
  return sequence(objectId(id), ...(critical ? [boolean(true)] : []), der(0x04, content));
}

function alternativeName(name: string): Buffer {
  if (/^\d+(\.\d+){3}$/.test(name)) return der(0x87, Buffer.from(name.split('.').map(Number)));
  return der(0x82, Buffer.from(name, 'latin1'));
}
