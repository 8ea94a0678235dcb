/**
 * Reads the XML that storage services send: one forward scan, no schema, no external entities.
 * A document that was cut off must never look like a short listing, so everything that is not closed throws.
 */
import { DroverError } from '../model/errors.ts';

export interface XmlElement {
  /** Without its namespace prefix. */
  readonly name: string;
  /** The character data directly inside, in order, neither trimmed nor with line ends changed. */
  readonly text: string;
  /** Names as written, with their prefix. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly XmlElement[];
}

/** Takes elements of one name as soon as they are closed; they are then not kept in the tree. */
export interface ItemVisitor {
  readonly name: string;
  visit(element: XmlElement): void;
}

/**
 * The root element. UNAVAILABLE when the text is cut off, malformed, or brings its own entities (DOCTYPE). With a
 * visitor, the many items of a listing need not all be in memory at once; what it was given counts only if this returns.
 */
export function parseXml(text: string, visitor: ItemVisitor | null = null): XmlElement {
  return new Scanner(text, visitor).document();
}

/** The first child of that name. */
export function child(element: XmlElement, name: string): XmlElement | null {
  for (const candidate of element.children) if (candidate.name === name) return candidate;
  return null;
}

/** The text of the first child of that name: `''` when it is there and empty, `null` when it is not there. */
export function childText(element: XmlElement, name: string): string | null {
  return child(element, name)?.text ?? null;
}

export function children(element: XmlElement, name: string): XmlElement[] {
  return element.children.filter((candidate) => candidate.name === name);
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};

/**
 * For text and attribute values. Control characters become numeric references: readers would otherwise turn a
 * carriage return into a line feed, and a tab in an attribute into a space.
 */
export function escapeXml(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.replace(/[&<>"'\u0000-\u001f\u007f]/g, (character) => {
    return ESCAPES[character] ?? `&#x${character.charCodeAt(0).toString(16).toUpperCase()};`;
  });
}

interface OpenElement {
  readonly name: string;
  text: string;
  readonly attributes: Readonly<Record<string, string>>;
  children: OpenElement[];
}

const NO_CHILDREN: OpenElement[] = [];
const NO_ATTRIBUTES: Readonly<Record<string, string>> = {};

const NAMED: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/** 1 for the ASCII characters a name may hold here: all but white space, control characters and markup. */
const NAME_UNITS = Uint8Array.from({ length: 0x80 }, (_, unit) => {
  return unit > 0x20 && !'>/=<"\''.includes(String.fromCharCode(unit)) ? 1 : 0;
});

class Scanner {
  private readonly text: string;
  private at: number;
  /** Elements that are open around the current one, and the tags as written of all that are open. */
  private readonly outer: OpenElement[] = [];
  private readonly tags: string[] = [];
  private current: OpenElement | null = null;
  private root: OpenElement | null = null;

  private readonly visitor: ItemVisitor | null;

  constructor(text: string, visitor: ItemVisitor | null) {
    this.text = text;
    this.visitor = visitor;
    this.at = text.charCodeAt(0) === 0xfeff ? 1 : 0;
  }

  document(): XmlElement {
    const { text } = this;
    while (this.at < text.length) {
      const bracket = text.indexOf('<', this.at);
      this.characters(bracket < 0 ? text.length : bracket);
      if (bracket < 0) break;
      this.markup(text.charCodeAt(bracket + 1));
    }
    if (this.current !== null) throw this.malformed(`<${this.tags.at(-1)}> is not closed`);
    if (this.root === null) throw this.malformed('there is no element in it');
    return this.root;
  }

  /** Character data from the present position to `end`. */
  private characters(end: number): void {
    if (end === this.at) return;
    const piece = this.text.slice(this.at, end);
    const parent = this.current;
    if (parent === null) {
      if (piece.trim() !== '') throw this.malformed('there is text outside of the elements');
    } else {
      const decoded = this.decoded(piece);
      parent.text = parent.text === '' ? decoded : parent.text + decoded;
    }
    this.at = end;
  }

  /** `this.at` stands at `<`; `next` is the character after it. */
  private markup(next: number): void {
    const { text, at } = this;
    if (next === 0x2f) return this.closingTag();
    if (next === 0x3f) return this.skipPast('?>', at + 2, 'a processing instruction');
    if (next !== 0x21) return this.openingTag();
    if (text.startsWith('<!--', at)) return this.skipPast('-->', at + 4, 'a comment');
    if (text.startsWith('<![CDATA[', at)) return this.literalText();
    throw this.malformed('it declares a document type or is cut off in a declaration');
  }

  private skipPast(mark: string, from: number, what: string): void {
    const end = this.text.indexOf(mark, from);
    if (end < 0) throw this.malformed(`${what} is not closed`);
    this.at = end + mark.length;
  }

  private literalText(): void {
    const from = this.at + '<![CDATA['.length;
    const parent = this.current;
    if (parent === null) throw this.malformed('there is text outside of the elements');
    this.skipPast(']]>', from, 'a CDATA section');
    parent.text += this.text.slice(from, this.at - ']]>'.length);
  }

  private closingTag(): void {
    const from = this.at + 2;
    const tag = this.tags.pop();
    const end = this.endOfClosingTag(from, tag);
    if (end < 0) throw this.malformed('it closes what is not open, or is cut off inside a closing tag');
    this.at = end + 1;
    const closed = this.current;
    this.current = this.outer.pop() ?? null;
    if (closed !== null && this.current !== null) this.handOver(closed, this.current);
  }

  private handOver(closed: OpenElement, parent: OpenElement): void {
    if (closed.name !== this.visitor?.name) return;
    parent.children.pop();
    this.visitor.visit(closed);
  }

  /** Where its `>` stands; negative when this is not the closing tag of `tag`. */
  private endOfClosingTag(from: number, tag: string | undefined): number {
    if (tag === undefined || !this.text.startsWith(tag, from)) return -1;
    let end = from + tag.length;
    while (isSpace(this.text.charCodeAt(end))) end++;
    return this.text.charCodeAt(end) === 0x3e ? end : -1;
  }

  private openingTag(): void {
    const parent = this.current;
    if (parent === null && this.root !== null) throw this.malformed('there is a second root element');
    const tag = this.nameFrom(this.at + 1);
    const attributes = this.text.charCodeAt(this.at) === 0x3e ? NO_ATTRIBUTES : this.attributesHere(tag);
    const element: OpenElement = { name: localName(tag), text: '', attributes, children: NO_CHILDREN };
    if (parent === null) this.root = element;
    else if (parent.children === NO_CHILDREN) parent.children = [element];
    else parent.children.push(element);
    if (this.text.charCodeAt(this.at) === 0x2f) {
      this.at += 2;
      if (parent !== null) this.handOver(element, parent);
      return;
    }
    this.at += 1;
    this.tags.push(tag);
    if (parent !== null) this.outer.push(parent);
    this.current = element;
  }

  /** Attributes up to, not including, the `>` or `/>` that ends the tag. */
  private attributesHere(tag: string): Readonly<Record<string, string>> {
    const { text } = this;
    let attributes: Record<string, string> | null = null;
    for (;;) {
      const spaced = isSpace(text.charCodeAt(this.at));
      while (isSpace(text.charCodeAt(this.at))) this.at++;
      const unit = text.charCodeAt(this.at);
      if (unit === 0x3e) return attributes ?? NO_ATTRIBUTES;
      if (unit === 0x2f && text.charCodeAt(this.at + 1) === 0x3e) return attributes ?? NO_ATTRIBUTES;
      if (!spaced) throw this.malformed(`the tag <${tag}> is cut off or malformed`);
      const name = this.nameFrom(this.at);
      attributes ??= Object.create(null) as Record<string, string>;
      attributes[name] = this.attributeValue(tag);
    }
  }

  private attributeValue(tag: string): string {
    const { text } = this;
    while (isSpace(text.charCodeAt(this.at))) this.at++;
    if (text.charCodeAt(this.at) !== 0x3d) throw this.malformed(`an attribute of <${tag}> has no value`);
    this.at++;
    while (isSpace(text.charCodeAt(this.at))) this.at++;
    const quote = text[this.at];
    if (quote !== '"' && quote !== "'") throw this.malformed(`an attribute of <${tag}> is not quoted`);
    const end = text.indexOf(quote, this.at + 1);
    if (end < 0) throw this.malformed(`an attribute of <${tag}> is not closed`);
    const value = this.decoded(text.slice(this.at + 1, end));
    this.at = end + 1;
    return value;
  }

  /** Reads a name and moves behind it. */
  private nameFrom(start: number): string {
    let end = start;
    while (isNameUnit(this.text.charCodeAt(end))) end++;
    if (end === start) throw this.malformed('a name is missing after "<" or between attributes');
    this.at = end;
    return this.text.slice(start, end);
  }

  private decoded(piece: string): string {
    let ampersand = piece.indexOf('&');
    if (ampersand < 0) return piece;
    let result = '';
    let from = 0;
    while (ampersand >= 0) {
      const end = piece.indexOf(';', ampersand);
      if (end < 0) throw this.malformed('an entity is not closed');
      result += piece.slice(from, ampersand) + this.entity(piece.slice(ampersand + 1, end));
      from = end + 1;
      ampersand = piece.indexOf('&', from);
    }
    result += piece.slice(from);
    // Half a surrogate pair in a numeric reference would become a different key further on.
    if (!result.isWellFormed() && piece.isWellFormed()) throw this.malformed('a reference names half a character');
    return result;
  }

  private entity(name: string): string {
    if (!name.startsWith('#')) {
      const known = Object.hasOwn(NAMED, name) ? NAMED[name] : undefined;
      if (known === undefined) throw this.malformed(`it uses the unknown entity "${name.slice(0, 40)}"`);
      return known;
    }
    const match = /^#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}))$/.exec(name);
    const point = match === null ? Number.NaN : Number.parseInt(match[1] ?? (match[2] as string), match[1] ? 16 : 10);
    if (!(point <= 0x10ffff)) throw this.malformed(`it refers to no character: "&${name.slice(0, 40)};"`);
    return String.fromCharCode(...unitsOf(point));
  }

  private malformed(why: string): DroverError {
    return new DroverError(
      'UNAVAILABLE',
      `The service sent XML that cannot be read: ${why} (at character ${this.at}).`,
      {
        details: { beginning: this.text.slice(0, 200) },
      },
    );
  }
}

/** UTF-16 units; two references that spell a pair come out as one character. */
function unitsOf(point: number): number[] {
  if (point < 0x10000) return [point];
  return [0xd800 + ((point - 0x10000) >> 10), 0xdc00 + ((point - 0x10000) & 0x3ff)];
}

function localName(tag: string): string {
  const colon = tag.indexOf(':');
  return colon < 0 ? tag : tag.slice(colon + 1);
}

function isSpace(unit: number): boolean {
  return unit === 0x20 || unit === 0x0a || unit === 0x0d || unit === 0x09;
}

/** Everything except what ends a name; NaN (past the end) is false. */
function isNameUnit(unit: number): boolean {
  return unit < 0x80 ? NAME_UNITS[unit] === 1 : unit >= 0x80;
}
