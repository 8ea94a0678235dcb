/** Markdown as the reference pages need it. */

export const GENERATED = '<!-- Made by "npm run docs" from the code. Changes belong there. -->';

/** A page: what it is about, then its blocks with an empty line between. */
export function page(title: string, introduction: string, ...blocks: readonly string[]): string {
  return `${[`# ${title}`, GENERATED, introduction, ...blocks].map((block) => block.trim()).join('\n\n')}\n`;
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n');
}

export function code(text: string): string {
  return `\`${text}\``;
}

/** `1 MiB (1,048,576 bytes)`: in the words people use where they fit, and exact. */
export function bytes(count: number): string {
  const exact = `${count.toLocaleString('en-US')} bytes`;
  for (const [unit, size] of BINARY) {
    if (count >= size && count % size === 0) return `${count / size} ${unit} (${exact})`;
  }
  return exact;
}

const BINARY: readonly (readonly [string, number])[] = [
  ['TiB', 1024 ** 4],
  ['GiB', 1024 ** 3],
  ['MiB', 1024 ** 2],
  ['KiB', 1024],
];

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replace(/\s*\n\s*/g, ' ')).join(' | ')} |`;
}
