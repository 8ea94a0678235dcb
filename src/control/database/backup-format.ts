/**
 * A backup as lines of JSON, compressed by gzip: a header, then for each table its name, its rows and its checksum,
 * then the checksum of everything. A row is the text that PostgreSQL itself makes of it and takes back, so that every
 * type survives exactly.
 *
 *     {"drover":"backup","format":1,"schemaVersion":1,…}
 *     {"table":"people","columns":["id",…]}
 *     "(5f0c…,1,\"2026-01-01 00:00:00+00\",…)"
 *     {"endOf":"people","rows":1,"sha256":"…","sequences":{}}
 *     {"end":true,"rows":1,"sha256":"…"}
 */
import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import { createGunzip, createGzip } from 'node:zlib';
import { DroverError } from '../../model/errors.ts';

export const BACKUP_FORMAT = 1;

export interface BackupHeader {
  readonly drover: 'backup';
  readonly format: number;
  readonly schemaVersion: number;
  readonly programVersion: string;
  readonly madeAt: string;
  /** What opens the secrets in it. The keys themselves are never in a backup. */
  readonly masterKeyIds: readonly string[];
}

/** Where the identity columns of a table go on. */
export type Sequences = Readonly<Record<string, { readonly last: string; readonly isUsed: boolean }>>;

export type BackupLine =
  | { readonly kind: 'table'; readonly table: string; readonly columns: readonly string[] }
  | { readonly kind: 'row'; readonly row: string }
  | { readonly kind: 'table-end'; readonly table: string; readonly rows: number; readonly sequences: Sequences };

export type Write = (chunk: Uint8Array) => Promise<void>;

/** Makes the lines. `close` writes the last one. */
export class BackupWriter {
  private readonly gzip = createGzip();
  private readonly pumping: Promise<void>;
  private readonly whole = createHash('sha256');
  private ofTable = createHash('sha256');
  private rowsOfTable = 0;
  private rows = 0;

  constructor(write: Write) {
    this.pumping = pump(this.gzip, write);
    // Told by whoever writes the next line, or by `close`.
    this.pumping.catch((error: Error) => this.gzip.destroy(error));
  }

  header(header: BackupHeader): Promise<void> {
    return this.line(JSON.stringify(header));
  }

  async table(table: string, columns: readonly string[]): Promise<void> {
    this.ofTable = createHash('sha256');
    this.rowsOfTable = 0;
    await this.line(JSON.stringify({ table, columns }));
  }

  async rowsOf(rows: readonly string[]): Promise<void> {
    if (rows.length === 0) return;
    const text = rows.map((row) => JSON.stringify(row)).join('\n');
    this.ofTable.update(`${text}\n`);
    this.rowsOfTable += rows.length;
    this.rows += rows.length;
    await this.line(text);
  }

  /** How many rows the table had. */
  async endTable(table: string, sequences: Sequences): Promise<number> {
    const sha256 = this.ofTable.digest('hex');
    await this.line(JSON.stringify({ endOf: table, rows: this.rowsOfTable, sha256, sequences }));
    return this.rowsOfTable;
  }

  async close(): Promise<void> {
    const sha256 = this.whole.copy().digest('hex');
    await this.line(JSON.stringify({ end: true, rows: this.rows, sha256 }));
    this.gzip.end();
    await this.pumping;
  }

  /** Gives up; what was written so far is no backup, and says so by its missing end. */
  abandon(): void {
    this.gzip.destroy();
  }

  private async line(text: string): Promise<void> {
    const bytes = Buffer.from(`${text}\n`);
    this.whole.update(bytes);
    if (this.gzip.write(bytes)) return;
    const drained = new Promise<void>((resolve) => this.gzip.once('drain', resolve));
    await Promise.race([drained, this.pumping]);
  }
}

async function pump(gzip: AsyncIterable<Uint8Array>, write: Write): Promise<void> {
  try {
    for await (const chunk of gzip) await write(chunk);
  } catch (error) {
    throw fileError(error, 'written');
  }
}

/**
 * Reads the lines back. INVALID_INPUT when anything was cut off, changed or added: at the latest after the last line,
 * so that nothing may be made lasting before that.
 */
export class BackupReader {
  private readonly lines: AsyncGenerator<string>;
  private readonly whole = createHash('sha256');
  private ofTable: Hash = createHash('sha256');
  private rowsOfTable = 0;
  private rows = 0;

  constructor(content: AsyncIterable<Uint8Array>) {
    this.lines = linesOf(content);
  }

  /** DATABASE_MISMATCH for a format that this program does not know. */
  async header(): Promise<BackupHeader> {
    const text = await this.next();
    const header = parse(text ?? '') as Partial<BackupHeader>;
    if (header.drover !== 'backup' || typeof header.format !== 'number') {
      throw damaged('it does not begin as a backup of Drover does');
    }
    if (header.format > BACKUP_FORMAT) {
      throw new DroverError(
        'DATABASE_MISMATCH',
        `The backup has format ${header.format}; this program knows formats up to ${BACKUP_FORMAT}.`,
        { remedy: `Restore it with Drover ${header.programVersion ?? ''} or newer.` },
      );
    }
    if (!Number.isInteger(header.schemaVersion)) throw damaged('its header is incomplete');
    return header as BackupHeader;
  }

  /** Everything between header and end. */
  async *body(): AsyncGenerator<BackupLine> {
    for (;;) {
      const before = this.whole.copy();
      const text = await this.next();
      if (text === null) throw damaged('its end is missing');
      if (text.startsWith('"')) {
        this.ofTable.update(`${text}\n`);
        this.rowsOfTable += 1;
        this.rows += 1;
        yield { kind: 'row', row: parse(text) as string };
        continue;
      }
      const line = parse(text) as Record<string, unknown>;
      if (typeof line['table'] === 'string') {
        this.ofTable = createHash('sha256');
        this.rowsOfTable = 0;
        yield { kind: 'table', table: line['table'], columns: line['columns'] as string[] };
      } else if (typeof line['endOf'] === 'string') {
        const isWhole = line['sha256'] === this.ofTable.digest('hex') && line['rows'] === this.rowsOfTable;
        if (!isWhole) throw damaged(`the rows of ${line['endOf']} do not fit their checksum`);
        const sequences = line['sequences'] as Sequences;
        yield { kind: 'table-end', table: line['endOf'], rows: this.rowsOfTable, sequences };
      } else if (line['end'] === true) {
        const isWhole = line['sha256'] === before.digest('hex') && line['rows'] === this.rows;
        if (!isWhole) throw damaged('it does not fit its checksum');
        if ((await this.next()) !== null) throw damaged('something follows its end');
        return;
      } else throw damaged('it holds a line of no known kind');
    }
  }

  private async next(): Promise<string | null> {
    const { value, done } = await this.lines.next();
    if (done === true) return null;
    this.whole.update(`${value}\n`);
    return value;
  }
}

async function* linesOf(content: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const gunzip = createGunzip();
  const feeding = feed(content, gunzip);
  feeding.catch((error: Error) => gunzip.destroy(error));
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let rest = '';
  try {
    for await (const chunk of gunzip) {
      const parts = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split('\n');
      rest = parts.pop() as string;
      yield* parts;
    }
    rest += decoder.decode();
  } catch (error) {
    // What cannot be read is the reader's trouble; what can be read and makes no sense is the file's.
    const { code } = error as { code?: unknown };
    const isOfContent = typeof code === 'string' && /^(Z_|ERR_ENCODING)/.test(code);
    throw isOfContent ? damaged((error as Error).message, error) : fileError(error, 'read');
  } finally {
    gunzip.destroy();
  }
  await feeding;
  if (rest !== '') throw damaged('its last line is cut off');
}

async function feed(content: AsyncIterable<Uint8Array>, gunzip: ReturnType<typeof createGunzip>): Promise<void> {
  for await (const chunk of content) {
    if (gunzip.destroyed) return;
    if (!gunzip.write(chunk)) await drained(gunzip);
  }
  gunzip.end();
}

/** Also when nobody reads on. */
function drained(gunzip: ReturnType<typeof createGunzip>): Promise<void> {
  return new Promise((resolve) => {
    const goOn = (): void => {
      gunzip.off('drain', goOn);
      gunzip.off('close', goOn);
      resolve();
    };
    gunzip.on('drain', goOn);
    gunzip.on('close', goOn);
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw damaged('it holds a line that is no JSON', error);
  }
}

/** What the operating system says about the file; anything else as it is. */
function fileError(error: unknown, verb: 'read' | 'written'): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (error instanceof DroverError || !/^E(?!RR_)[A-Z0-9]+$/.test(code ?? '')) return error;
  const isFull = code === 'ENOSPC' || code === 'EDQUOT';
  return new DroverError(isFull ? 'DISK_FULL' : 'INVALID_INPUT', `The backup cannot be ${verb}: ${message}.`, {
    cause: error,
    field: 'file',
    remedy: isFull ? 'Free some disk space, or write to another disk.' : 'Check the path and who may use it.',
  });
}

export function damaged(words: string, cause: unknown = null): DroverError {
  return new DroverError('INVALID_INPUT', `This is no undamaged backup: ${words}. Nothing was restored.`, {
    cause,
    field: 'file',
    remedy: 'Copy the file again from where it was made, or restore another backup.',
  });
}
