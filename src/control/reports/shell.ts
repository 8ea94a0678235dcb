/** Words of commands that people paste. */

/** For a POSIX shell. */
export function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** ` --flag value`, or nothing where there is no value. */
export function option(flag: string, value: unknown): string {
  return typeof value === 'string' && value !== '' ? ` ${flag} ${quoted(value)}` : '';
}
