/** Keeping secrets apart and out of sight. */
import type { Config, Fields } from './fields.ts';

/** Stands where a secret is. Always the same length, so that it tells nothing. */
export const MASK = '••••••••';

/** Shorter pieces of a secret are too common in ordinary text to be searched for. */
const PIECE_LENGTH_MIN = 8;

/** Secrets apart from everything else, so that they can be encrypted. Together they are the whole config again. */
export function splitSecrets(fields: Fields, config: Config): { readonly plain: Config; readonly secrets: Config } {
  const entries = Object.entries(config);
  const isSecret = ([name]: [string, unknown]): boolean => fields[name]?.type === 'secret';
  return {
    plain: Object.fromEntries(entries.filter((entry) => !isSecret(entry))),
    secrets: Object.fromEntries(entries.filter(isSecret)),
  };
}

/**
 * The config as it may be shown: secrets become `MASK`, also where one was repeated inside another text,
 * and values of fields that the description does not know are left out.
 */
export function redact(fields: Fields, config: Config): Config {
  const hidden = secretValues(fields, config);
  const shown: Record<string, string | boolean | number> = {};
  for (const [name, value] of Object.entries(config)) {
    const type = Object.hasOwn(fields, name) ? fields[name]?.type : undefined;
    if (type === undefined) continue;
    if (type === 'secret') shown[name] = MASK;
    else shown[name] = typeof value === 'string' && type === 'text' ? without(value, hidden) : value;
  }
  return shown;
}

/**
 * Texts that must never be seen: each secret, and the forms in which it turns up in requests and messages
 * (one line of a key, percent-encoded, the key inside a connection string). Longest first, for replacing.
 */
export function secretValues(fields: Fields, config: Config): string[] {
  const values = new Set<string>();
  for (const [name, value] of Object.entries(config)) {
    if (fields[name]?.type !== 'secret' || value === '') continue;
    for (const form of formsOf(String(value))) values.add(form);
  }
  return [...values].toSorted((a, b) => b.length - a.length);
}

function formsOf(secret: string): string[] {
  const pieces = [
    ...secret.split(/\r?\n/).filter((line) => !line.startsWith('-----')),
    ...Array.from(secret.matchAll(/(?:^|[;&?])[^=;&]*(?:key|secret|token|password|signature|sig)=([^;&]+)/gi)).map(
      (match) => match[1] as string,
    ),
  ].filter((piece) => piece.length >= PIECE_LENGTH_MIN);
  return [secret, ...pieces].flatMap((form) => [form, percentForm(form), percentDecoded(form)]);
}

function percentForm(text: string): string {
  return text.isWellFormed() ? encodeURIComponent(text) : text;
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function without(text: string, hidden: readonly string[]): string {
  return hidden.reduce((rest, value) => (value === '' ? rest : rest.replaceAll(value, MASK)), text);
}
