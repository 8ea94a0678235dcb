/** Kills one command at random instants, lets it come to its end, and asks the oracle; until enough were killed. */
import type { S3Store } from '../../demo/stores.ts';
import type { Random } from '../../src/lib/world.ts';
import { attempt, type Attempt } from './attempt.ts';
import { findViolations } from './oracle.ts';
import type { SoakTarget } from './targets.ts';
import { Tree, type TreeSize } from './tree.ts';

export interface SoakPlan {
  readonly store: S3Store;
  /** Made here, and removed at the end. */
  readonly bucket: string;
  readonly size: TreeSize;
  readonly targets: readonly SoakTarget[];
  /** Kills over all targets, in equal shares. */
  readonly kills: number;
  readonly random: Random;
  readonly environment: Readonly<Record<string, string>>;
  readonly say: (line: string) => void;
}

export interface Share {
  readonly target: string;
  kills: number;
  series: number;
  /** Kills that hit the command before it named its run, and after. */
  killsBeforeRun: number;
  continued: number;
  readonly violations: string[];
}

/** A command that fails at once is never there to be killed. */
const VIOLATIONS_MAX = 20;

type Mode = 'copy' | 'sync';

export async function soak(plan: SoakPlan): Promise<readonly Share[]> {
  const tree = new Tree(plan.store, plan.bucket);
  await plan.store.makeContainer(plan.bucket);
  const shares: Share[] = [];
  try {
    await tree.plant(plan.size);
    for (const [i, target] of plan.targets.entries()) {
      const kills = Math.floor((plan.kills * (i + 1)) / plan.targets.length) - shares.reduce((n, s) => n + s.kills, 0);
      const share = { target: target.name, kills: 0, series: 0, killsBeforeRun: 0, continued: 0, violations: [] };
      shares.push(share);
      await target.plantForeign();
      try {
        await new Soaking(plan, tree, target, share).run(kills);
      } finally {
        await target.remove();
      }
    }
  } finally {
    await plan.store.removeContainer(plan.bucket);
  }
  return shares;
}

class Soaking {
  readonly #plan: SoakPlan;
  readonly #tree: Tree;
  readonly #target: SoakTarget;
  readonly #share: Share;
  /** How long each takes when it is left alone. */
  readonly #tookMs: Record<Mode, number> = { copy: 0, sync: 0 };

  constructor(plan: SoakPlan, tree: Tree, target: SoakTarget, share: Share) {
    this.#plan = plan;
    this.#tree = tree;
    this.#target = target;
    this.#share = share;
  }

  async run(kills: number): Promise<void> {
    for (const mode of ['copy', 'sync'] as const) {
      await this.#prepare(mode);
      const { tookMs: measuredMs } = await this.#toItsEnd(mode, null, 'left alone');
      this.#tookMs[mode] = measuredMs;
      this.#plan.say(`${this.#target.name}: ${mode} takes ${Math.round(measuredMs)} ms when left alone`);
    }
    for (let mode: Mode = 'copy'; this.#share.kills < kills; mode = mode === 'copy' ? 'sync' : 'copy') {
      if (this.#share.violations.length > VIOLATIONS_MAX)
        return this.#plan.say('    Enough is known; the rest is left out.');
      await this.#series(mode, kills);
    }
  }

  async #prepare(mode: Mode): Promise<void> {
    if (mode === 'copy') await this.#target.clear();
    else await this.#tree.change(this.#plan.random, this.#plan.size);
  }

  /** Up to four kills; fewer where the command comes to its end first. */
  async #series(mode: Mode, killsMax: number): Promise<void> {
    await this.#prepare(mode);
    this.#share.series += 1;
    const wanted = Math.min(1 + Math.floor(this.#plan.random.fraction() * 4), killsMax - this.#share.kills);
    const instants: number[] = [];
    let runId: string | null = null;
    for (let i = 0; i < wanted; i++) {
      const atMs = Math.round(this.#plan.random.fraction() * this.#tookMs[mode]);
      const tried = await attempt(this.#words(mode), this.#plan.environment, atMs);
      if (!tried.killed) {
        // It took less than it once did, on a machine with less to do: later instants go by this.
        if (i === 0) this.#tookMs[mode] = tried.tookMs;
        await this.#judge(mode, tried, runId, killedAt(instants));
        return;
      }
      instants.push(atMs);
      this.#share.kills += 1;
      if (tried.runId === null) this.#share.killsBeforeRun += 1;
      runId = await this.#openRun(runId, tried.runId);
    }
    await this.#toItsEnd(mode, runId, killedAt(instants));
  }

  async #toItsEnd(mode: Mode, runId: string | null, what: string): Promise<Attempt> {
    const last = await attempt(this.#words(mode), this.#plan.environment, null);
    await this.#judge(mode, last, runId, what);
    return last;
  }

  async #judge(mode: Mode, last: Attempt, runId: string | null, what: string): Promise<void> {
    const { environment, say } = this.#plan;
    const words = this.#words(mode);
    const violations = [
      ...(runId !== null && last.runId !== runId ? [`run ${runId} was not continued, but ${last.runId} begun`] : []),
      ...(await findViolations({ tree: this.#tree, target: this.#target, words, environment, last })),
    ];
    if (runId !== null && last.runId === runId) this.#share.continued += 1;
    say(`${this.#target.name}: ${mode} ${what}: ${violations.length === 0 ? 'ok' : 'WRONG'}`);
    for (const violation of violations) this.#wrong(violation);
  }

  /** The run that the next start must continue; `null` where the kill came before its beginning or after its end. */
  async #openRun(before: string | null, said: string | null): Promise<string | null> {
    const { lines } = await attempt(['runs', '--limit', '1'], this.#plan.environment, null);
    const newest = lines.find(({ type }) => type === 'run');
    const isOpen = ['queued', 'running', 'pausing', 'paused', 'interrupted'].includes(String(newest?.['state']));
    const open = isOpen ? String(newest?.['runId']) : null;
    for (const other of [said, open]) {
      if (before !== null && other !== null && other !== before) this.#wrong(`run ${before} was open, ${other} begun`);
    }
    return open;
  }

  #wrong(violation: string): void {
    this.#plan.say(`    ${violation}`);
    this.#share.violations.push(violation);
  }

  #words(mode: Mode): readonly string[] {
    return [mode, `soak:${this.#plan.bucket}`, this.#target.place, ...this.#target.options];
  }
}

function killedAt(instants: readonly number[]): string {
  return instants.length === 0 ? 'that ended before the kill' : `killed at ${instants.join(', ')} ms`;
}
