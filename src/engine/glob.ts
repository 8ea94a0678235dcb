/**
 * Globs over keys: `*` and `?` stop at `/`, `**` does not, `[a-z]`, `[!a-z]`, `{a,b}`, `\` takes the next character
 * literally. Matching steps through all possibilities at once, so its time is bounded by key length × pattern length
 * whatever the pattern.
 */
import { DroverError } from '../model/errors.ts';

/** One character that a pattern accepts. */
type Test = (point: number) => boolean;

type Node =
  | { readonly kind: 'one'; readonly test: Test }
  | { readonly kind: 'repeat'; readonly test: Test }
  /** `**` and `/` together: nothing, or anything that ends with `/`. */
  | { readonly kind: 'folders' }
  | { readonly kind: 'either'; readonly branches: readonly (readonly Node[])[] };

/** `test` null: a free move to every one of `next`. */
interface State {
  test: Test | null;
  next: number[];
}

const SLASH = 0x2f;
const isAny: Test = () => true;
const isNotSlash: Test = (point) => point !== SLASH;
const isSlash: Test = (point) => point === SLASH;

/** Tells whether the whole text matches. INVALID_INPUT naming `shownAs` when it is not one. */
export function compileGlob(pattern: string, shownAs: string = pattern): (text: string) => boolean {
  const machine = buildMachine(new GlobParser(pattern, shownAs).parse());
  return (text) => runs(machine, text);
}

class GlobParser {
  readonly #shownAs: string;
  readonly #points: readonly string[];
  #at = 0;

  constructor(pattern: string, shownAs: string) {
    this.#shownAs = shownAs;
    this.#points = Array.from(pattern);
  }

  parse(): readonly Node[] {
    if (this.#points.length === 0) throw this.#bad('it is empty');
    return this.#sequence(false);
  }

  #sequence(isInBraces: boolean): readonly Node[] {
    const nodes: Node[] = [];
    while (this.#at < this.#points.length) {
      const character = this.#points[this.#at] as string;
      if (isInBraces && (character === ',' || character === '}')) break;
      nodes.push(this.#node(character));
    }
    return nodes;
  }

  #node(character: string): Node {
    const isSegmentStart = this.#at === 0 || this.#points[this.#at - 1] === '/';
    this.#at += 1;
    if (character === '*') return this.#stars(isSegmentStart);
    if (character === '?') return { kind: 'one', test: isNotSlash };
    if (character === '[') return { kind: 'one', test: this.#characterClass() };
    if (character === '{') return { kind: 'either', branches: this.#branches() };
    if (character === '\\') return literal(this.#escaped());
    return literal(character);
  }

  #stars(isSegmentStart: boolean): Node {
    let count = 1;
    while (this.#points[this.#at] === '*') {
      this.#at += 1;
      count += 1;
    }
    if (count === 1) return { kind: 'repeat', test: isNotSlash };
    if (isSegmentStart && this.#points[this.#at] === '/') {
      this.#at += 1;
      return { kind: 'folders' };
    }
    return { kind: 'repeat', test: isAny };
  }

  #branches(): readonly (readonly Node[])[] {
    const branches: (readonly Node[])[] = [];
    for (;;) {
      branches.push(this.#sequence(true));
      const end = this.#points[this.#at];
      if (end === undefined) throw this.#bad('a "{" is not closed');
      this.#at += 1;
      if (end === '}') return branches;
    }
  }

  #characterClass(): Test {
    let isNegated = false;
    if (this.#points[this.#at] === '!' || this.#points[this.#at] === '^') {
      isNegated = true;
      this.#at += 1;
    }
    const ranges: { from: number; to: number }[] = [];
    for (;;) {
      const first = this.#points[this.#at];
      if (first === undefined) throw this.#bad('a "[" is not closed');
      this.#at += 1;
      if (first === ']' && ranges.length > 0) break;
      if (first === ']') throw this.#bad('a "[]" holds no character');
      ranges.push(this.#range(first === '\\' ? this.#escaped() : first));
    }
    return (point) => point !== SLASH && ranges.some(({ from, to }) => from <= point && point <= to) !== isNegated;
  }

  #range(first: string): { from: number; to: number } {
    const from = first.codePointAt(0) as number;
    const last = this.#points[this.#at + 1];
    if (this.#points[this.#at] !== '-' || last === undefined || last === ']') return { from, to: from };
    this.#at += 2;
    const to = (last === '\\' ? this.#escaped() : last).codePointAt(0) as number;
    if (to < from) throw this.#bad(`the range "${first}-${last}" runs backwards`);
    return { from, to };
  }

  #escaped(): string {
    const character = this.#points[this.#at];
    if (character === undefined) throw this.#bad('it ends with a "\\" that escapes nothing');
    this.#at += 1;
    return character;
  }

  #bad(why: string): DroverError {
    return new DroverError('INVALID_INPUT', `The pattern "${this.#shownAs}" cannot be used: ${why}.`);
  }
}

function literal(character: string): Node {
  const point = character.codePointAt(0) as number;
  return { kind: 'one', test: (other) => other === point };
}

/** The last state is the end of a match. */
function buildMachine(nodes: readonly Node[]): readonly State[] {
  const states: State[] = [];
  const add = (test: Test | null): number => states.push({ test, next: [] }) - 1;

  const append = (from: number, node: Node): number => {
    const start = states[from] as State;
    if (node.kind === 'one') {
      start.test = node.test;
      const end = add(null);
      start.next.push(end);
      return end;
    }
    if (node.kind === 'repeat') {
      const loop = add(node.test);
      const end = add(null);
      (states[loop] as State).next.push(from);
      start.next.push(loop, end);
      return end;
    }
    if (node.kind === 'folders') {
      const loop = add(isAny);
      const last = add(isSlash);
      const again = add(null);
      const end = add(null);
      (states[loop] as State).next.push(again);
      (states[again] as State).next.push(loop, last);
      (states[last] as State).next.push(end);
      start.next.push(again, end);
      return end;
    }
    const ends = node.branches.map((branch) => {
      const first = add(null);
      start.next.push(first);
      return branch.reduce(append, first);
    });
    const end = add(null);
    for (const branchEnd of ends) (states[branchEnd] as State).next.push(end);
    return end;
  };

  const last = nodes.reduce(append, add(null));
  const end = add(null);
  (states[last] as State).next.push(end);
  return states;
}

function runs(states: readonly State[], text: string): boolean {
  const marks = new Uint32Array(states.length);
  let round = 1;
  let current: number[] = [];
  const enter = (state: number, into: number[]): void => {
    const open = [state];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      if (marks[at] === round) continue;
      marks[at] = round;
      const { test, next } = states[at] as State;
      if (test === null && next.length > 0) open.push(...next);
      else into.push(at);
    }
  };
  enter(0, current);
  for (let i = 0; i < text.length; i++) {
    const point = text.codePointAt(i) as number;
    if (point > 0xffff) i += 1;
    round += 1;
    const following: number[] = [];
    for (const at of current) {
      const { test, next } = states[at] as State;
      if (test !== null && test(point)) for (const state of next) enter(state, following);
    }
    if (following.length === 0) return false;
    current = following;
  }
  return current.includes(states.length - 1);
}
