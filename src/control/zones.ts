/** Names of time zones. */

/** Telling whether there is one costs much, and documents name the same few again and again. */
const known = new Set<string>();
const KNOWN_MAX = 2_000;

export function isTimeZone(name: string): boolean {
  if (known.has(name)) return true;
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
  } catch {
    return false;
  }
  // Letter case is free, so that there are more spellings than zones.
  if (known.size < KNOWN_MAX) known.add(name);
  return true;
}
