/**
 * The seal of a signed report, and whether a file still is what was sealed: needs no server, only its public key. One
 * signature stands for all bytes. A second one stands for digests of pieces and fields, which say what was changed.
 */
import { createHash, createPublicKey, verify } from 'node:crypto';

export interface Signature {
  /** Of the sealed bytes, hexadecimal. */
  readonly sha256: string;
  /** Ed25519 over the sealed bytes, base64. */
  readonly signature: string;
  /** SubjectPublicKeyInfo in DER, base64. */
  readonly publicKey: string;
}

export interface Seal extends Signature {
  readonly parts: SealedParts;
  /** Ed25519 over the JSON text of `parts`, base64. */
  readonly partsSignature: string;
}

export interface SealedParts {
  readonly blockBytes: number;
  /** Of each block in turn, the first 16 digits of its SHA-256. */
  readonly blocks: readonly string[];
  /** By JSON pointer, two levels deep; empty for a page. */
  readonly fields: Readonly<Record<string, string>>;
}

export interface SealCheck {
  readonly isGenuine: boolean;
  /** The key that the file names. */
  readonly publicKey: string | null;
  /** One sentence each. */
  readonly problems: readonly string[];
}

const BLOCK_BYTES = 1_024;
const SEAL_BEGINS = '<!-- drover-seal ';
const SEAL_ENDS = ' -->\n';
const NAMED_MAX = 20;

export function partsOf(content: Uint8Array, report: unknown): SealedParts {
  return { blockBytes: BLOCK_BYTES, blocks: blocksOf(content, BLOCK_BYTES), fields: fieldsOf(report) };
}

/** The bytes that `partsSignature` stands for. */
export function partsText(parts: SealedParts): Uint8Array {
  const { blockBytes, blocks, fields } = parts;
  return Buffer.from(JSON.stringify({ blockBytes, blocks, fields }));
}

/** The signed bytes stand inside as text, so that whoever checks them has exactly these. */
export function sealedJson(body: Uint8Array, seal: Seal): Uint8Array {
  return Buffer.from(`${JSON.stringify({ report: Buffer.from(body).toString('utf8'), ...seal })}\n`);
}

/** The signed bytes, and behind them the seal in a comment. */
export function sealedPage(page: Uint8Array, seal: Seal): Uint8Array {
  return Buffer.concat([page, Buffer.from(`${SEAL_BEGINS}${JSON.stringify(seal)}${SEAL_ENDS}`)]);
}

/** `publicKey`: of the server that is to have made it; base64, as it gives it out. */
export function checkSeal(text: string, publicKey: string): SealCheck {
  const file = takeApart(text);
  if (file === null) return failed(null, ['This is no signed report of Drover, or its seal was damaged.']);
  const { content, seal } = file;
  if (seal.publicKey !== publicKey) {
    return failed(seal.publicKey, [
      `It was sealed with another key (${seal.publicKey}), so another server made it, or somebody else.`,
    ]);
  }
  if (isSignedBy(content, seal.signature, publicKey)) return { isGenuine: true, publicKey, problems: [] };
  if (!isSignedBy(partsText(seal.parts), seal.partsSignature, publicKey)) {
    return failed(publicKey, [
      'Neither the report nor the list of its parts is what was sealed: what was changed cannot be told.',
    ]);
  }
  const problems = [...changedBytes(content, seal.parts), ...changedFields(content, seal.parts)];
  const onlySeal = 'The report is as it was made; its signature was changed.';
  return failed(publicKey, problems.length === 0 ? [onlySeal] : problems);
}

export function isSignedBy(content: Uint8Array, signature: string, publicKey: string): boolean {
  try {
    const key = createPublicKey({ key: Buffer.from(publicKey, 'base64'), format: 'der', type: 'spki' });
    return verify(null, content, key, Buffer.from(signature, 'base64'));
  } catch {
    return false;
  }
}

function failed(publicKey: string | null, problems: readonly string[]): SealCheck {
  return { isGenuine: false, publicKey, problems };
}

function takeApart(text: string): { readonly content: Uint8Array; readonly seal: Seal } | null {
  const at = text.lastIndexOf(SEAL_BEGINS);
  if (at >= 0 && !text.startsWith('{')) {
    const end = text.lastIndexOf(SEAL_ENDS);
    // Nothing may stand behind the seal: a browser would show it.
    if (end < at || end + SEAL_ENDS.length !== text.length) return null;
    const seal = sealIn(text.slice(at + SEAL_BEGINS.length, end));
    return seal === null ? null : { content: Buffer.from(text.slice(0, at)), seal };
  }
  const seal = sealIn(text);
  const report = seal === null ? undefined : (seal as Seal & { report?: unknown }).report;
  return seal === null || typeof report !== 'string' ? null : { content: Buffer.from(report), seal };
}

function sealIn(text: string): Seal | null {
  try {
    const seal = JSON.parse(text) as Partial<Seal> | null;
    const words = [seal?.signature, seal?.publicKey, seal?.partsSignature];
    const { blockBytes, blocks, fields } = seal?.parts ?? {};
    const hasParts = typeof blockBytes === 'number' && blockBytes > 0 && Array.isArray(blocks);
    const isWhole = words.every((word) => typeof word === 'string') && hasParts && typeof fields === 'object';
    return isWhole && fields !== null ? (seal as Seal) : null;
  } catch {
    return null;
  }
}

function changedBytes(content: Uint8Array, { blockBytes, blocks }: SealedParts): string[] {
  const now = blocksOf(content, blockBytes);
  const at = now.findIndex((digest, index) => digest !== blocks[index]);
  if (at < 0) return now.length < blocks.length ? [`It ends after byte ${content.length}: the rest is missing.`] : [];
  const to = Math.min((at + 1) * blockBytes, content.length) - 1;
  return [`The first change is between byte ${at * blockBytes} and byte ${to}, counted from 0.`];
}

function changedFields(content: Uint8Array, { fields }: SealedParts): string[] {
  if (Object.keys(fields).length === 0) return [];
  let report: unknown;
  try {
    report = JSON.parse(Buffer.from(content).toString());
  } catch {
    return ['It is no JSON any more.'];
  }
  const now = fieldsOf(report);
  const names = [...new Set([...Object.keys(fields), ...Object.keys(now)])];
  const changed = names.filter((name) => fields[name] !== now[name]);
  const lines = changed.slice(0, NAMED_MAX).map((name) => {
    if (!Object.hasOwn(now, name)) return `The field ${name} was taken away.`;
    return Object.hasOwn(fields, name) ? `The field ${name} was changed.` : `The field ${name} was added.`;
  });
  return changed.length > NAMED_MAX ? [...lines, `And ${changed.length - NAMED_MAX} more fields.`] : lines;
}

function blocksOf(content: Uint8Array, blockBytes: number): string[] {
  const count = Math.ceil(content.length / blockBytes);
  return Array.from({ length: count }, (_, at) => digestOf(content.subarray(at * blockBytes, (at + 1) * blockBytes)));
}

function fieldsOf(report: unknown): Record<string, string> {
  const fields: [string, string][] = [];
  for (const [name, value] of membersOf(report)) {
    const inner = membersOf(value);
    if (inner.length === 0) fields.push([`/${name}`, digestOf(Buffer.from(JSON.stringify(value) ?? ''))]);
    for (const [below, deep] of inner) {
      fields.push([`/${name}/${below}`, digestOf(Buffer.from(JSON.stringify(deep) ?? ''))]);
    }
  }
  return Object.fromEntries(fields);
}

function membersOf(value: unknown): [string, unknown][] {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : [];
}

function digestOf(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex').slice(0, 16);
}
