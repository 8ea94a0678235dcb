/** Shared access signatures: reading tokens that people paste, and making short-lived ones for one blob. */
import { hmacBase64 } from './shared-key.ts';
import { encodeQueryValue } from './names.ts';

/** The format of the string that is signed changes with the version; this one is old enough for every cloud. */
const SAS_VERSION = '2023-11-03';
/** Signatures begin a little in the past, because clocks differ. */
const CLOCK_SLACK_MS = 15 * 60_000;

export interface SasToken {
  /** Decoded parameters by name, in their order. */
  readonly parameters: Readonly<Record<string, string>>;
  /** Milliseconds since 1970; `null` when a stored access policy holds it. */
  readonly expiresAtMs: number | null;
  readonly startsAtMs: number | null;
  /** Letters such as `racwl`; `null` when a stored access policy holds them. */
  readonly permissions: string | null;
  readonly httpsOnly: boolean;
  /** `account`: for the whole account; `container`, `blob`: for one of them. */
  readonly scope: 'account' | 'container' | 'blob' | 'directory';
}

/** A pasted token, with or without `?`, or a whole URL that ends in one; `null` when it is not a signature. */
export function parseSasToken(text: string): SasToken | null {
  const trimmed = text.trim();
  const at = trimmed.indexOf('?');
  const search = new URLSearchParams(at >= 0 ? trimmed.slice(at + 1) : trimmed);
  const parameters: Record<string, string> = {};
  for (const [name, value] of search) parameters[name] = value;
  if (parameters['sig'] === undefined || parameters['sig'] === '') return null;
  if (parameters['se'] === undefined && parameters['si'] === undefined) return null;
  return {
    parameters,
    expiresAtMs: instant(parameters['se']),
    startsAtMs: instant(parameters['st']),
    permissions: parameters['sp'] ?? null,
    httpsOnly: parameters['spr'] === 'https',
    scope: scopeOf(parameters),
  };
}

/** What a person who is signed in by Entra ID signs with, instead of the account's key. */
export interface DelegationKey {
  readonly objectId: string;
  readonly tenantId: string;
  /** As the service wrote them: they are part of what is signed. */
  readonly start: string;
  readonly expiry: string;
  readonly service: string;
  readonly version: string;
  readonly value: Uint8Array;
}

export interface BlobSasRequest {
  readonly accountName: string;
  /** The account's key, or one that stands for a person. */
  readonly key: Uint8Array | DelegationKey;
  readonly container: string;
  readonly blob: string;
  readonly versionId: string | null;
  readonly nowMs: number;
  readonly lifetimeMs: number;
  readonly isHttpsOnly: boolean;
}

/** A query string that lets its holder read exactly one blob (or one version of it), and nothing else. */
export function makeBlobReadSas(request: BlobSasRequest): string {
  const starts = seconds(request.nowMs - CLOCK_SLACK_MS);
  const expires = seconds(request.nowMs + request.lifetimeMs);
  const resource = request.versionId === null ? 'b' : 'bv';
  const protocol = request.isHttpsOnly ? 'https' : 'https,http';
  const path = `/blob/${request.accountName}/${request.container}/${request.blob}`;
  const { key } = request;
  const delegated = key instanceof Uint8Array ? [] : delegationOf(key);
  // Where an account's key signs, the name of a stored policy stands instead of the person.
  const signer = key instanceof Uint8Array ? [''] : [...delegated.map(([, value]) => value), '', '', ''];
  const fields = ['r', starts, expires, path, ...signer, '', protocol, SAS_VERSION, resource];
  // Version time, encryption scope and the five header overrides.
  fields.push(request.versionId ?? '', '', '', '', '', '', '');
  const query: (readonly [string, string])[] = [
    ['sv', SAS_VERSION],
    ['sp', 'r'],
    ['st', starts],
    ['se', expires],
    ['spr', protocol],
    ['sr', resource],
    ...delegated,
    ['sig', hmacBase64(key instanceof Uint8Array ? key : key.value, fields.join('\n'))],
  ];
  return query.map(([name, value]) => `${name}=${encodeQueryValue(value)}`).join('&');
}

function delegationOf(key: DelegationKey): (readonly [string, string])[] {
  return [
    ['skoid', key.objectId],
    ['sktid', key.tenantId],
    ['skt', key.start],
    ['ske', key.expiry],
    ['sks', key.service],
    ['skv', key.version],
  ];
}

export function seconds(timeMs: number): string {
  return new Date(timeMs).toISOString().replace(/\.\d{3}Z$/, 'Z');
}

function instant(text: string | undefined): number | null {
  if (text === undefined) return null;
  const timeMs = Date.parse(text);
  return Number.isNaN(timeMs) ? null : timeMs;
}

function scopeOf(parameters: Readonly<Record<string, string>>): SasToken['scope'] {
  if (parameters['srt'] !== undefined) return 'account';
  if (parameters['sr'] === 'c') return 'container';
  return parameters['sr'] === 'd' ? 'directory' : 'blob';
}
