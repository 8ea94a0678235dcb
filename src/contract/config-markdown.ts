/** A description as a table for the reference documentation. */
import type { Field, Fields } from './fields.ts';
import { defaultOf, isRequired } from './config-conditions.ts';
import { environmentNames } from './config-environment.ts';

/**
 * One row for each field. `prefix` stands before the environment names, for instance
 * `DROVER_CONNECTOR_<NAME>_`; without one, only the names' own part is shown.
 */
export function toMarkdown(fields: Fields, prefix = ''): string {
  const names = environmentNames(prefix, fields);
  const rows = Object.entries(fields).map(([name, field]) =>
    row([field.label, `\`${name}\``, `\`${names.get(name)}\``, need(fields, field), meaning(field)]),
  );
  const head = ['Field', 'Name', 'Environment', 'Needed', 'Meaning'];
  return [row(head), row(head.map(() => '---')), ...rows].join('\n') + '\n';
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replace(/\s*\n\s*/g, ' ')).join(' | ')} |`;
}

function need(fields: Fields, field: Field): string {
  const isNeeded = isRequired(field);
  if (field.when === undefined) return isNeeded ? 'yes' : 'no';
  const values = field.when.in.map((value) => `\`${value}\``).join(' or ');
  const condition = `when ${fields[field.when.field]?.label ?? field.when.field} is ${values}`;
  return isNeeded ? condition : `no; used ${condition}`;
}

function meaning(field: Field): string {
  const sentences = [field.help];
  if (field.type === 'secret') sentences.push('Secret: encrypted, never shown again.');
  if (field.type === 'choice') {
    sentences.push(`One of ${field.choices.map((choice) => `\`${choice.value}\` (${choice.label})`).join(', ')}.`);
  }
  if (field.type === 'number') {
    sentences.push(`From ${field.min} to ${field.max}${field.unit === undefined ? '' : ` ${field.unit}`}.`);
  }
  if (field.type === 'text' && field.example !== undefined) sentences.push(`Example: \`${field.example}\`.`);
  const standing = defaultOf(field);
  if (standing !== undefined) sentences.push(`Default: \`${standing}\`.`);
  return sentences.join(' ');
}
