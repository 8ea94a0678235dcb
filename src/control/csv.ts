/** Tables for spreadsheets. */
import { stringify } from 'csv-stringify/sync';

/**
 * Some rows as CSV after RFC 4180; the first part begins with the names of the columns and, before them, a byte order
 * mark, so that spreadsheets read it right. What they would take for a formula gets an apostrophe in front.
 */
export function csvPart<Name extends string>(
  rows: readonly Readonly<Record<Name, string | number>>[],
  columns: readonly Name[],
  isFirst: boolean,
): Buffer {
  const options = { header: isFirst, columns: [...columns], bom: isFirst, escape_formulas: true } as const;
  // A single line feed is no end of a row here, but many programs would take it for one.
  const ends = { record_delimiter: 'windows', quoted_match: /[\r\n]/ } as const;
  return Buffer.from(stringify([...rows], { ...options, ...ends }));
}
