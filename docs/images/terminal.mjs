// Draws what a terminal showed: node docs/images/terminal.mjs COLUMNS TITLE <recording >picture.svg
// The recording is what `script` wrote. Only the few control sequences that Drover uses are understood.
import { readFileSync } from 'node:fs';

const columns = Number(process.argv[2]);
const title = process.argv[3];
const recording = readFileSync(0, 'utf8').replace(/^Script (?:started|done).*\r?\n?/gm, '');

const LINE_HEIGHT = 20;
const CHARACTER_WIDTH = 8.43;
const MARGIN = 18;

const lines = [''];
let at = 0;
const ESCAPE = String.fromCharCode(27);
const CONTROL = new RegExp(`${ESCAPE}\\[(\\??\\d*)([A-Za-z])|${ESCAPE}[78]|[\\r\\n]`, 'g');
let from = 0;
const put = (text) => {
  const line = lines.at(-1).padEnd(at);
  lines[lines.length - 1] = line.slice(0, at) + text + line.slice(at + text.length);
  at += text.length;
};
for (const match of recording.matchAll(CONTROL)) {
  put(recording.slice(from, match.index));
  from = match.index + match[0].length;
  if (match[0] === '\n') lines.push('');
  if (match[0] === '\n' || match[0] === '\r' || match[2] === 'G') at = 0;
  if (match[2] === 'K') lines[lines.length - 1] = match[1] === '2' ? '' : lines.at(-1).slice(0, at);
}
put(recording.slice(from));

const rows = lines.flatMap((line) => {
  const text = line.trimEnd();
  const count = Math.max(1, Math.ceil(text.length / columns));
  return Array.from({ length: count }, (_, row) => text.slice(row * columns, (row + 1) * columns));
});
while (rows.at(-1) === '') rows.pop();

const escape = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
const width = Math.ceil(columns * CHARACTER_WIDTH + 2 * MARGIN);
const height = rows.length * LINE_HEIGHT + 2 * MARGIN;
const texts = rows.map((row, index) => {
  const y = MARGIN + (index + 0.75) * LINE_HEIGHT;
  const look = row.startsWith('$ ') ? ' class="typed"' : '';
  return row === '' ? '' : `<text x="${MARGIN}" y="${y}"${look} xml:space="preserve">${escape(row)}</text>\n`;
});
process.stdout.write(
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="title">\n` +
    `<title id="title">${escape(title)}</title>\n` +
    '<style>text{font:14px ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#d7dde5}' +
    '.typed{fill:#8fd694;font-weight:600}</style>\n' +
    `<rect width="${width}" height="${height}" rx="8" fill="#15191f"/>\n${texts.join('')}</svg>\n`,
);
