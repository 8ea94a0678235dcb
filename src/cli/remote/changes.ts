/** What a line of the audit log has changed, in words. Pure. */

const TEXT_MAX = 120;

/** `name: old → new; limits.requestsPerSecond: none → 50`; only the members of an object that differ. */
export function changesText(changes: unknown): string {
  if (!isObject(changes)) return changes === null || changes === undefined ? '' : textOf(changes);
  return Object.entries(changes)
    .flatMap(([field, change]) => lines(field, change))
    .join('; ');
}

function lines(field: string, change: unknown): readonly string[] {
  const [before, after] =
    Array.isArray(change) && change.length === 2 ? (change as [unknown, unknown]) : [null, change];
  const members = isObject(before) || isObject(after) ? membersOf(before, after) : null;
  if (members === null) return [`${field}: ${textOf(before)} → ${textOf(after)}`];
  return members.flatMap((name) => lines(`${field}.${name}`, [memberOf(before, name), memberOf(after, name)]));
}

/** `null`: one of them is something else than an object, or nothing differs, so that they are shown whole. */
function membersOf(before: unknown, after: unknown): readonly string[] | null {
  if (![before, after].every((side) => side === null || side === undefined || isObject(side))) return null;
  const names = new Set([before, after].flatMap((side) => (isObject(side) ? Object.keys(side) : [])));
  const differing = [...names].filter(
    (name) => JSON.stringify(memberOf(before, name)) !== JSON.stringify(memberOf(after, name)),
  );
  return differing.length === 0 ? null : differing;
}

function memberOf(side: unknown, name: string): unknown {
  return isObject(side) && Object.hasOwn(side, name) ? side[name] : null;
}

function textOf(value: unknown): string {
  if (value === null || value === undefined) return 'none';
  const isPlain = typeof value === 'string' && value !== '' && value !== 'none' && !/["→;\n]|^\s|\s$/.test(value);
  const isList = Array.isArray(value) && value.length > 0 && !value.some((one) => isObject(one) || Array.isArray(one));
  const text = isPlain ? (value as string) : isList ? value.map(textOf).join(', ') : JSON.stringify(value);
  const signs = [...text];
  return signs.length > TEXT_MAX ? `${signs.slice(0, TEXT_MAX - 1).join('')}…` : text;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
