/** Index tags: at most ten, in a small alphabet. What does not fit is a loss, never a failure. */
import { child, children, childText, escapeXml, parseXml } from '../../lib/xml.ts';
import { encodeQueryValue } from './names.ts';

export const TAGS_MAX = 10;
const TEXT = /^[a-zA-Z0-9 +\-.:=_/]*$/;

type Tags = Readonly<Record<string, string>>;

export interface HoldableTags {
  readonly tags: Tags;
  readonly losses: readonly string[];
}

/** The tags the service can hold, in the order of their names, and a sentence for each other one. */
export function holdableTags(tags: Tags): HoldableTags {
  const held: [string, string][] = [];
  const losses: string[] = [];
  for (const name of Object.keys(tags).toSorted()) {
    const value = tags[name] as string;
    if (!TEXT.test(name) || !TEXT.test(value)) {
      losses.push(
        `The tag "${name}" was left out: Azure allows only letters, digits, spaces and + - . : = _ / in tags.`,
      );
    } else if (name.length < 1 || name.length > 128 || value.length > 256) {
      losses.push(`The tag "${name}" was left out: it is longer than Azure allows (128 and 256 characters).`);
    } else if (held.length === TAGS_MAX) {
      losses.push(`The tag "${name}" was left out: a blob can have ${TAGS_MAX} tags.`);
    } else {
      held.push([name, value]);
    }
  }
  return { tags: Object.fromEntries(held), losses };
}

export function tagsHeader(tags: Tags): { readonly header: string | null; readonly losses: readonly string[] } {
  const held = holdableTags(tags);
  const pairs = Object.entries(held.tags).map(
    ([name, value]) => `${encodeQueryValue(name)}=${encodeQueryValue(value)}`,
  );
  return { header: pairs.length === 0 ? null : pairs.join('&'), losses: held.losses };
}

export function tagsDocument(tags: Tags): string {
  const rows = Object.entries(tags).map(
    ([name, value]) => `<Tag><Key>${escapeXml(name)}</Key><Value>${escapeXml(value)}</Value></Tag>`,
  );
  return `<?xml version="1.0" encoding="utf-8"?><Tags><TagSet>${rows.join('')}</TagSet></Tags>`;
}

export function parseTags(text: string): Tags {
  const set = child(parseXml(text), 'TagSet');
  if (set === null) return {};
  return Object.fromEntries(
    children(set, 'Tag').map((tag) => [childText(tag, 'Key') ?? '', childText(tag, 'Value') ?? '']),
  );
}
