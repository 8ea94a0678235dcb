/** What a setting can be: how it is read from a word or from YAML, and what is said when it does not fit. Pure. */

export interface Setting<T> {
  readonly section: Section;
  /** In the environment, where it is not `DROVER_` and the name in upper snake case. */
  readonly variable?: string;
  /** One or two sentences. */
  readonly help: string;
  readonly example?: string;
  /** Never shown, logged or repeated in a message. */
  readonly isSecret: boolean;
  readonly fallback: T;
  /** What to write, for the reference: `a whole number from 1 to 100`. */
  readonly form: string;
  /** Takes text, as flags and the environment give it, and what YAML makes of it. */
  parse(raw: unknown): Parsed<T>;
}

export type Section = 'Server' | 'Storage of its own' | 'Workers' | 'Sign-in' | 'Mail' | 'Network' | 'Observability';

export type Parsed<T> = { readonly value: T } | { readonly complaint: string };

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

interface Words {
  readonly section: Section;
  readonly help: string;
  readonly variable?: string;
  readonly example?: string;
}

function fits<T>(value: T): Parsed<T> {
  return { value };
}

function unfit(complaint: string): Parsed<never> {
  return { complaint };
}

export function text(words: Words): Setting<string | null> {
  return make(words, null, 'text', (raw) => {
    const word = wordOf(raw);
    return word === null || word.trim() === '' ? unfit('Give some text.') : fits(word.trim());
  });
}

export function secret(words: Words, accepts: (value: string) => string | null = () => null): Setting<string | null> {
  const parse = (raw: unknown): Parsed<string> => {
    const word = wordOf(raw)?.trim() ?? '';
    const complaint = word === '' ? 'Give some text.' : accepts(word);
    return complaint === null ? fits(word) : unfit(complaint);
  };
  return { ...make<string | null>(words, null, 'text', parse), isSecret: true };
}

export function whole(words: Words, limits: { min: number; max: number; fallback: number }): Setting<number> {
  const { min, max, fallback } = limits;
  const form = `a whole number from ${min} to ${max}`;
  return make(words, fallback, form, (raw) => {
    const number = typeof raw === 'number' ? raw : /^-?\d+$/.test(String(raw).trim()) ? Number(raw) : Number.NaN;
    return Number.isInteger(number) && number >= min && number <= max ? fits(number) : unfit(`Give ${form}.`);
  });
}

export function yesOrNo(words: Words): Setting<boolean> {
  return make(words, false, '`true` or `false`', (raw) => {
    const word = String(raw).trim().toLowerCase();
    if (['true', 'yes', 'on', '1'].includes(word)) return fits(true);
    if (['false', 'no', 'off', '0'].includes(word)) return fits(false);
    return unfit('Give true or false.');
  });
}

export function choice<const T extends string>(words: Words, choices: readonly T[], fallback: T): Setting<T> {
  const form = choices.map((each) => `\`${each}\``).join(', ');
  return make<T>(words, fallback, `one of ${form}`, (raw) => {
    const found = choices.find((each) => each === wordOf(raw)?.trim().toLowerCase());
    return found === undefined ? unfit(`Give one of ${choices.join(', ')}.`) : fits(found);
  });
}

/** A comma that separates, and not one that belongs to a word and so stands behind a backslash. */
const COMMA = /(?<!\\),/;

/** Separated by commas (`\,` is one that does not separate), or a list of YAML. `accepts` says what is wrong with one. */
export function list(words: Words, accepts: (each: string) => string | null): Setting<readonly string[]> {
  return make<readonly string[]>(
    words,
    [],
    'a list, separated by commas (`\\,` for one in a word), or a list of YAML',
    (raw) => {
      const parts = Array.isArray(raw) ? raw.map((each) => wordOf(each)) : (splitWords(raw) ?? [null]);
      const values: string[] = [];
      for (const part of parts) {
        if (part === null) return unfit('Give a list of words.');
        if (part.trim() === '') continue;
        const complaint = accepts(part.trim());
        if (complaint !== null) return unfit(complaint);
        values.push(part.trim());
      }
      return fits(values);
    },
  );
}

function splitWords(raw: unknown): readonly string[] | undefined {
  return wordOf(raw)
    ?.split(COMMA)
    .map((part) => part.replaceAll('\\,', ','));
}

/** As `list` reads it. */
export function listWords(values: readonly string[]): string {
  return values.map((value) => value.replaceAll(',', '\\,')).join(', ');
}

export function address(words: Words, fallback: ListenAddress): Setting<ListenAddress> {
  return make(words, fallback, '`host:port`', (raw) => {
    const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]\s]*)):(\d{1,5})$/.exec(wordOf(raw)?.trim() ?? '');
    const port = Number(match?.[3]);
    if (match === null || port > 65_535) {
      return unfit('Give host and port, such as 127.0.0.1:7070 or [::1]:7070; port 0 takes a free one.');
    }
    return fits({ host: match[1] ?? (match[2] === '' ? '0.0.0.0' : (match[2] as string)), port });
  });
}

/** An address with one of these schemes, kept without a slash at its end. */
export function url(words: Words, schemes: readonly string[]): Setting<string | null> {
  return make<string | null>(
    words,
    null,
    `an address (${schemes.map((each) => `\`${each}://…\``).join(', ')})`,
    (raw) => {
      const complaint = urlComplaint(wordOf(raw) ?? '', schemes);
      return complaint === null ? fits(String(raw).trim().replace(/\/+$/, '')) : unfit(complaint);
    },
  );
}

/** Never repeats the address, which may hold a password. */
export function urlComplaint(word: string, schemes: readonly string[]): string | null {
  const wanted = `Give an address that begins with ${schemes.map((each) => `${each}://`).join(' or ')}.`;
  if (!schemes.some((scheme) => word.trim().startsWith(`${scheme}://`))) return wanted;
  // PostgreSQL's may have no host, when it is at a socket.
  const whole = word
    .trim()
    .replace(/^([a-z]+:\/\/[^/?]*@)\//, '$1localhost/')
    .replace(/^([a-z]+:\/\/)\//, '$1localhost/');
  return URL.canParse(whole) ? null : wanted;
}

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** Bytes, or with a unit: `512k`, `1 MiB`. */
export function size(words: Words, limits: { min: number; max: number; fallback: number }): Setting<number> {
  const complaint = `Give a size from ${limits.min} to ${limits.max} bytes, such as 1048576 or 1MiB.`;
  return make(words, limits.fallback, 'a size such as `1MiB`', (raw) => {
    const match = /^(\d+)\s*([kmg]?)(?:i?b)?$/i.exec(String(raw).trim());
    const bytes = Number(match?.[1]) * (UNITS[match?.[2]?.toLowerCase() ?? ''] ?? Number.NaN);
    return bytes >= limits.min && bytes <= limits.max ? fits(bytes) : unfit(complaint);
  });
}

function make<T>(words: Words, fallback: T, form: string, parse: (raw: unknown) => Parsed<T>): Setting<T> {
  return { ...words, isSecret: false, fallback, form, parse };
}

/** YAML reads `on`, `12` and `1.5` as something else than text. */
function wordOf(raw: unknown): string | null {
  if (typeof raw === 'string') return raw;
  return typeof raw === 'number' || typeof raw === 'boolean' ? String(raw) : null;
}
