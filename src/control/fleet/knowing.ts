/**
 * Whether silence means anything: after the database was away, or this program stood still, everybody looks as if he had
 * gone, until he has had the time to say that he lives. So nobody is counted as gone before a whole such time has passed
 * in which the database answered.
 */
import { sql } from 'kysely';
import { inDatabase } from '../runs/database-errors.ts';
import type { DispatchWorld } from './parts.ts';

/** Looks that are further apart than this part of the time after which somebody is gone have missed something. */
const GAP_SHARE = 1 / 3;

export class Knowing {
  readonly #world: Pick<DispatchWorld, 'db' | 'clock' | 'timing'>;
  #sinceMs: number;
  #wasAway = false;
  /** Of the last look, by the database's clock and by our own. */
  #last: { readonly databaseMs: number; readonly ownMs: number } | null = null;

  constructor(world: Pick<DispatchWorld, 'db' | 'clock' | 'timing'>) {
    this.#world = world;
    this.#sinceMs = world.clock.monotonic();
  }

  /** For so long, without a gap, whoever lives could say so. */
  get knownMs(): number {
    return this.#world.clock.monotonic() - this.#sinceMs;
  }

  /** There was a gap since this process began. */
  get wasAway(): boolean {
    return this.#wasAway;
  }

  /** Asks the database for its time: that a whole machine slept shows only there. */
  async look(): Promise<void> {
    const { db, clock, timing } = this.#world;
    const { rows } = await inDatabase(() =>
      sql<{ now_ms: number }>`
        SELECT (extract(epoch FROM clock_timestamp()) * 1000)::double precision AS now_ms`.execute(db),
    );
    const now = { databaseMs: rows[0]?.now_ms ?? 0, ownMs: clock.monotonic() };
    const last = this.#last;
    this.#last = now;
    if (last === null) return;
    const gapMs = Math.max(now.databaseMs - last.databaseMs, now.ownMs - last.ownMs);
    if (gapMs > Math.max(timing.goneAfterMs * GAP_SHARE, 2 * timing.tickIdleMs)) this.lost();
  }

  /** The database did not answer. */
  lost(): void {
    this.#sinceMs = this.#world.clock.monotonic();
    this.#wasAway = true;
  }
}
