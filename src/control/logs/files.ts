/** The run log and the audit log as files: page by page, as they are downloaded, never held. */
import type { AuditLine, ListQuery, Page, RunLogLine } from '../entities.ts';
import { csvPart } from '../csv.ts';
import { PAGE_MAX } from '../paging.ts';
import type { LogFileQuery, LogFormat } from '../services.ts';

interface Shape<T> {
  readonly columns: readonly string[];
  readonly row: (line: T) => Readonly<Record<string, string | number>>;
}

export const RUN_LOG: Shape<RunLogLine> = {
  columns: ['Number', 'Time', 'Level', 'Code', 'Message', 'StorageMoverCodes'],
  row: ({ number, at, level, code, message, storageMoverCodes }) => ({
    Number: number,
    Time: at,
    Level: level,
    Code: code ?? '',
    Message: message,
    StorageMoverCodes: storageMoverCodes.join(' '),
  }),
};

export const AUDIT_LOG: Shape<AuditLine> = {
  columns: [
    'Number',
    'Time',
    'ActorKind',
    'ActorName',
    'PersonId',
    'Address',
    'Action',
    'EntityKind',
    'EntityId',
    'EntityName',
    'Changes',
  ],
  row: (line) => ({
    Number: line.number,
    Time: line.at,
    ActorKind: line.actorKind,
    ActorName: line.actorName,
    PersonId: line.personId ?? '',
    Address: line.address ?? '',
    Action: line.action,
    EntityKind: line.entityKind,
    EntityId: line.entityId ?? '',
    EntityName: line.entityName ?? '',
    Changes: JSON.stringify(line.changes),
  }),
};

/** Resolves once the first page is there: whoever may not read it, or asked wrongly, is told instead of getting a file. */
export async function asFile<T>(
  page: (query: ListQuery) => Promise<Page<T>>,
  query: LogFileQuery,
  format: LogFormat,
  shape: Shape<T>,
): Promise<AsyncIterable<Uint8Array>> {
  const { sort, search, filter } = query;
  const chosen = {
    limit: PAGE_MAX,
    ...(sort === undefined ? {} : { sort }),
    ...(search === undefined ? {} : { search }),
    ...(filter === undefined ? {} : { filter }),
  };
  const first = await page(chosen);
  return parts(first, (cursor) => page({ ...chosen, cursor }), format, shape);
}

async function* parts<T>(
  first: Page<T>,
  next: (cursor: string) => Promise<Page<T>>,
  format: LogFormat,
  shape: Shape<T>,
): AsyncGenerator<Uint8Array> {
  for (let page = first, isFirst = true; ; isFirst = false) {
    if (format === 'csv') yield csvPart(page.items.map(shape.row), shape.columns, isFirst);
    else if (page.items.length > 0) yield Buffer.from(page.items.map((line) => `${JSON.stringify(line)}\n`).join(''));
    if (page.nextCursor === null) return;
    page = await next(page.nextCursor);
  }
}
