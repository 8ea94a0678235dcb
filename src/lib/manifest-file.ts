/**
 * A manifest as a file: the head, then every leaf as it was hashed. Whoever has it can work out the root from nothing
 * but the lines: SHA-256 of each line, of those of a segment one after the other, and of the segments' one after the other.
 */
import { createHash, type Hash } from 'node:crypto';

export const MANIFEST_FORMAT = 'drover-manifest';

export interface ManifestHead {
  readonly format: typeof MANIFEST_FORMAT;
  readonly formatVersion: 1;
  readonly runId: string;
  /** Hexadecimal, as it stands in the run and in its reports. */
  readonly root: string;
  /** In this order; the lines that follow are theirs, so many of each. */
  readonly segments: readonly { readonly kind: string; readonly root: string; readonly rows: number }[];
}

export interface ManifestCheck {
  readonly isWhole: boolean;
  /** Worked out from the lines; `null` where this is no manifest. */
  readonly root: string | null;
  readonly rows: number;
  /** One sentence each. */
  readonly problems: readonly string[];
}

/** `expectedRoot`: from the run or from a signed report; `null`: only whether the file agrees with itself. */
export async function checkManifest(lines: AsyncIterable<string>, expectedRoot: string | null): Promise<ManifestCheck> {
  let walk: Walk | null = null;
  for await (const line of lines) {
    if (walk !== null) walk.take(line);
    else {
      const head = headOf(line);
      if (head === null) break;
      walk = new Walk(head);
    }
  }
  return walk === null
    ? { isWhole: false, root: null, rows: 0, problems: ['This is no manifest of Drover.'] }
    : walk.end(expectedRoot);
}

/** `null`: the line is no head of a manifest. */
export function headOf(line: string): ManifestHead | null {
  try {
    const head = JSON.parse(line) as Partial<ManifestHead> | null;
    const isHead = head?.format === MANIFEST_FORMAT && typeof head.root === 'string' && Array.isArray(head.segments);
    return isHead ? (head as ManifestHead) : null;
  } catch {
    return null;
  }
}

class Walk {
  readonly #head: ManifestHead;
  readonly #run = createHash('sha256');
  readonly #problems: string[] = [];
  #segment: Hash = createHash('sha256');
  #number = 0;
  #left: number;
  #rows = 0;

  constructor(head: ManifestHead) {
    this.#head = head;
    this.#left = head.segments[0]?.rows ?? 0;
    this.#closeFull();
  }

  take(line: string): void {
    this.#rows += 1;
    this.#segment.update(createHash('sha256').update(line).digest());
    this.#left -= 1;
    this.#closeFull();
  }

  end(expectedRoot: string | null): ManifestCheck {
    const { root: told, segments } = this.#head;
    const wanted = segments.reduce((sum, { rows }) => sum + rows, 0);
    if (this.#rows !== wanted) this.#problems.push(`It holds ${this.#rows} rows; its head says ${wanted}.`);
    const root = this.#run.digest('hex');
    if (root !== told) this.#problems.push(`The root of its rows is ${root}; its head says ${told}.`);
    if (expectedRoot !== null && root !== expectedRoot) {
      this.#problems.push(`The root of its rows is ${root}, not ${expectedRoot}.`);
    }
    return { isWhole: this.#problems.length === 0, root, rows: this.#rows, problems: this.#problems };
  }

  #closeFull(): void {
    while (this.#left === 0 && this.#number < this.#head.segments.length) {
      const root = this.#segment.digest('hex');
      this.#run.update(root, 'hex');
      const told = this.#head.segments[this.#number]?.root;
      if (root !== told) this.#problems.push(`The rows of part ${this.#number + 1} are not those that were hashed.`);
      this.#number += 1;
      this.#segment = createHash('sha256');
      this.#left = this.#head.segments[this.#number]?.rows ?? -1;
    }
  }
}
