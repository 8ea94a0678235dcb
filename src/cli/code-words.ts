/** What the codes of a list mean and what to do about them, below it: once for each, whatever the list is of. */
import { explanationOf } from '../model/reasons.ts';
import type { Session } from './session.ts';

/** More different ones are looked up in the reference. */
const EXPLAINED_MAX = 20;

export class CodeWords {
  readonly #codes = new Set<string>();

  saw(code: string | null): void {
    if (code !== null && this.#codes.size < EXPLAINED_MAX) this.#codes.add(code);
  }

  /** Nothing for programs, and nothing where nothing is to be done. */
  async say({ terminal }: Session): Promise<void> {
    if (terminal.options.json) return;
    for (const code of this.#codes) {
      const { meaning, remedy } = explanationOf(code);
      if (!remedy.startsWith('Nothing to do.')) await terminal.say(`${code}: ${`${meaning} ${remedy}`.trimStart()}`);
    }
  }
}
