/** Tables and facts for people. Pure. */
import { visible } from '../terminal.ts';

export interface Column<T> {
  readonly title: string;
  readonly text: (entry: T) => string;
  /** Numbers stand below each other by their last digit. */
  readonly isNumber?: boolean;
}

/** Two spaces between columns, the last one as long as it is. */
export function table<T>(columns: readonly Column<T>[], entries: readonly T[]): string {
  const rows = [
    columns.map(({ title }) => title),
    ...entries.map((entry) => columns.map(({ text }) => visible(text(entry)))),
  ];
  const widths = columns.map((_, at) => Math.max(...rows.map((row) => lengthOf(row[at] ?? ''))));
  return rows
    .map((row) =>
      row
        .map((cell, at) => {
          const room = ' '.repeat((widths[at] ?? 0) - lengthOf(cell));
          return columns[at]?.isNumber === true ? room + cell : cell + room;
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** One fact on each line; those without a value are left out. */
export function facts(pairs: readonly (readonly [label: string, value: string | null])[]): string {
  const known = pairs.filter((pair): pair is readonly [string, string] => pair[1] !== null && pair[1] !== '');
  const width = Math.max(0, ...known.map(([label]) => label.length));
  return known.map(([label, value]) => `${label.padEnd(width)}  ${visible(value)}`).join('\n');
}

function lengthOf(text: string): number {
  return [...text].length;
}
