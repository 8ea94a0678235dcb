/** What several lines of a log have in common. */
import type { Log } from './world.ts';

/** Says these fields with every line; a line's own ones win. */
export function withFields(log: Log, fields: Readonly<Record<string, unknown>>): Log {
  return (level, message, details) => log(level, message, { ...fields, ...details });
}
