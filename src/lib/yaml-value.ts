/** What a YAML document says, also where it stands for itself or for more than fits anywhere. */
import { isAlias, isCollection, isPair, visit, type Alias, type Document, type LineCounter, type Node } from 'yaml';

export interface YamlFault {
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

/** With every alias written out. */
const VALUES_MAX = 1_000_000;

/** Its aliases may be as many as they like, as long as they end. `document` has no other errors. */
export function yamlValue(
  document: Document.Parsed,
  lines: LineCounter,
): { readonly value: unknown } | { readonly fault: YamlFault } {
  const meanings = new Map<Alias, Node>();
  const found = follow(document, meanings) ?? overgrown(document, meanings);
  if (found === null) return { value: document.toJS({ maxAliasCount: -1 }) as unknown };
  const { line, col } = lines.linePos(found.alias.range?.[0] ?? 0);
  return { fault: { line, column: col, message: found.message } };
}

interface Found {
  readonly alias: Alias;
  readonly message: string;
}

/** What each alias means: the latest of that name before it. In one pass, because there may be thousands. */
function follow(document: Document.Parsed, meanings: Map<Alias, Node>): Found | null {
  const named = new Map<string, Node>();
  let found: Found | null = null;
  const remember = (_: unknown, node: Node & { readonly anchor?: string }): void => {
    if (node.anchor !== undefined) named.set(node.anchor, node);
  };
  visit(document, {
    Collection: remember,
    Scalar: remember,
    Alias(_, alias, path) {
      const meant = named.get(alias.source);
      if (meant !== undefined && !path.includes(meant)) {
        meanings.set(alias, meant);
        return undefined;
      }
      const why =
        meant === undefined
          ? `Nothing before it is marked with &${alias.source}.`
          : 'It stands within what it means, so there is no end of it.';
      found = { alias, message: `The alias *${alias.source} cannot be followed. ${why}` };
      return visit.BREAK;
    },
  });
  return found;
}

/** Counts without writing anything out. */
function overgrown(document: Document.Parsed, meanings: ReadonlyMap<Alias, Node>): Found | null {
  const sizes = new Map<unknown, number>();
  let latest: Alias | null = null;
  let found: Found | null = null;
  const sizeOf = (node: unknown): number => {
    const known = sizes.get(node);
    if (known !== undefined || found !== null) return known ?? 0;
    let size = 1;
    if (isAlias(node)) {
      latest = node;
      size = sizeOf(meanings.get(node));
    } else if (isPair(node)) size = sizeOf(node.key) + sizeOf(node.value);
    else if (isCollection(node)) {
      for (const item of node.items) {
        size += sizeOf(item);
        if (size <= VALUES_MAX || latest === null) continue;
        const message = `With the alias *${latest.source} written out, there are more than ${VALUES_MAX.toLocaleString('en-US')} values.`;
        found ??= { alias: latest, message };
      }
    }
    if (typeof node === 'object') sizes.set(node, size);
    return size;
  };
  sizeOf(document.contents);
  return found;
}
