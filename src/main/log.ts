/** The server's own log: one line each on standard error, for people or for programs, without a secret. */
import type { Log, LogLevel } from '../lib/world.ts';

const RANK: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };
/** Members that are never written, whoever passes them. */
const SECRET_NAMES = /pass(word|phrase)?|secret|token|authorization|cookie|credential|private|^key$|signature/i;
const SECRET_VALUES = [
  /drv_[A-Za-z0-9_-]{8,}/g,
  /(?<=:\/\/[^/\s:@]*:)[^@\s/]+(?=@)/g,
  // Of signed addresses, of headers, of connection strings, and keys as such.
  /(?<=[?&](?:sig|x-amz-(?:signature|credential|security-token))=)[^&\s"']+/gi,
  /(?<=\b(?:bearer|basic|aws4-hmac-sha256|sharedkey)\s)\S{12,}/gi,
  /(?<=\b(?:accountkey|sharedaccesssignature|password)=)[^;\s"']+/gi,
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g,
];

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: 'text' | 'json';
  readonly write: (line: string) => void;
  readonly now: () => number;
}

export function makeLog({ level, format, write, now }: LogOptions): Log {
  return (lineLevel, message, details) => {
    if (RANK[lineLevel] < RANK[level]) return;
    const at = new Date(now()).toISOString();
    const safe = details === undefined ? undefined : (redacted(details) as Record<string, unknown>);
    if (format === 'json') {
      // A detail never takes the place of what every line has.
      const line = { at, level: lineLevel, message: redactText(message) };
      write(`${JSON.stringify({ ...line, ...safe, ...line })}\n`);
      return;
    }
    const rest = safe === undefined ? '' : ` ${JSON.stringify(safe)}`;
    write(`${at} ${lineLevel.padEnd(5)} ${onOneLine(redactText(message) + rest)}\n`);
  };
}

/** What others named must not look like a line of its own, nor steer the terminal. */
function onOneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\u2028\u2029]/gu, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function redacted(value: unknown, name = ''): unknown {
  if (name !== '' && SECRET_NAMES.test(name)) return '***';
  if (typeof value === 'string') return redactText(value);
  if (value instanceof Error) return redactText(value.message);
  if (Array.isArray(value)) return value.map((one) => redacted(one));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([member, one]) => [member, redacted(one, member)]));
}

function redactText(text: string): string {
  return SECRET_VALUES.reduce((safe, pattern) => safe.replaceAll(pattern, '***'), text);
}
