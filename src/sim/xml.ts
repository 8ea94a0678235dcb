/** Just enough XML: building answers, reading small request documents. */

export interface XmlNode {
  readonly name: string;
  readonly text: string;
  readonly children: readonly XmlNode[];
}

export type XmlPart = string | readonly XmlPart[];

/** Text or attribute value. Characters that XML 1.0 forbids become references, as the real services send them. */
export function escape(text: string): string {
  let out = '';
  for (const c of text) {
    const code = c.codePointAt(0)!;
    if (c === '&') out += '&amp;';
    else if (c === '<') out += '&lt;';
    else if (c === '>') out += '&gt;';
    else if (c === '"') out += '&quot;';
    else if (code < 0x20 && c !== '\n' && c !== '\t') out += `&#x${code.toString(16)};`;
    else out += c;
  }
  return out;
}

/** `<name>text</name>` with the text escaped; nothing at all for `null`. */
export function leaf(name: string, text: string | number | boolean | null | undefined): string {
  return text === null || text === undefined ? '' : `<${name}>${escape(String(text))}</${name}>`;
}

/** `<name>` around ready markup. */
export function branch(name: string, ...inner: XmlPart[]): string {
  const tag = name.split(' ')[0]!;
  return `<${name}>${(inner.flat(8) as string[]).join('')}</${tag}>`;
}

export function document(name: string, ...inner: XmlPart[]): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n${branch(name, ...inner)}`;
}

/** Reads a small document; `null` when it is not well-formed. Prefixes and attributes are dropped. */
export function parse(text: string): XmlNode | null {
  const tokens = text
    .replace(/^\ufeff/, '')
    .replace(/<\?[^]*?\?>|<!--[^]*?-->/g, '')
    .split(/(<[^>]*>)/);
  const root: MutableNode = { name: '', text: '', children: [] };
  const stack: MutableNode[] = [root];
  for (const token of tokens) {
    const top = stack.at(-1)!;
    if (!token.startsWith('<')) {
      top.text += unescape(token);
      continue;
    }
    const match = /^<(\/?)(?:[\w.-]+:)?([\w.-]+)([^]*?)(\/?)>$/.exec(token);
    if (match === null) return null;
    if (match[1] === '/') {
      if (top.name !== match[2] || stack.length < 2) return null;
      stack.pop();
      continue;
    }
    const node: MutableNode = { name: match[2]!, text: '', children: [] };
    top.children.push(node);
    if (match[4] !== '/') stack.push(node);
  }
  return stack.length === 1 && root.children.length === 1 ? root.children[0]! : null;
}

interface MutableNode extends XmlNode {
  text: string;
  children: MutableNode[];
}

function unescape(text: string): string {
  return text.replace(/&(?:#x([0-9a-fA-F]+)|#(\d+)|(\w+));/g, (whole, hex, decimal, name) => {
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16));
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal));
    return { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }[name as string] ?? whole;
  });
}

export function childText(node: XmlNode, name: string): string | null {
  return node.children.find((child) => child.name === name)?.text ?? null;
}

export function childrenOf(node: XmlNode, name: string): readonly XmlNode[] {
  return node.children.filter((child) => child.name === name);
}
