/** Fields as environment variables. */
import type { Field, Fields } from './fields.ts';

/**
 * The variable of each field: the prefix and the field's name in upper snake case (or its `environmentName`).
 * The prefix may be given with or without its last `_`.
 */
export function environmentNames(prefix: string, fields: Fields): ReadonlyMap<string, string> {
  const head = prefix === '' || prefix.endsWith('_') ? prefix : `${prefix}_`;
  return new Map(
    Object.entries(fields).map(([name, field]) => [name, head + (field.environmentName ?? upperSnake(name))]),
  );
}

/** What the environment holds for these fields, ready for `parseConfig`. Variables that are not set are absent. */
export function fromEnvironment(
  prefix: string,
  fields: Fields,
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (const [name, variable] of environmentNames(prefix, fields)) {
    const value = environment[variable];
    if (value !== undefined) found[name] = withLineBreaks(fields[name] as Field, value);
  }
  return found;
}

/** Line breaks are hard to put into a variable, so that certificates often arrive with `\n` spelled out. */
function withLineBreaks(field: Field, value: string): string {
  const isMultiline = (field.type === 'text' || field.type === 'secret') && field.multiline === true;
  return isMultiline && !value.includes('\n') ? value.replaceAll('\\n', '\n') : value;
}

function upperSnake(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/([A-Z]+)([A-Z][a-z])/g, '$1_$2')
    .replaceAll('-', '_')
    .toUpperCase();
}
