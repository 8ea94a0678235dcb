/**
 * One worker process: it signs on, looks for runs that go on, takes part in several at once, keeps its leases, and
 * lets go of everything in time when it cannot. Any number of them share one database; none knows the others.
 */
import { sql } from 'kysely';
import { BYTES_IN_FLIGHT_MAX, SEGMENTS_AT_ONCE } from '../../engine/limits.ts';
import { NO_TRACING } from '../../lib/tracing.ts';
import { DroverError } from '../../model/errors.ts';
import { inDatabase, fromDatabase } from '../runs/database-errors.ts';
import { watchersOf } from '../runs/watching.ts';
import { PostgresRunStore, type HeldLease } from '../runs/store.ts';
import { SWEEP_ID } from '../runs/store-rows.ts';
import type { ControlWorld } from '../world.ts';
import { Dispatcher } from './dispatcher.ts';
import { carryOut, onEnded, tellEnd } from './endings.ts';
import { Heartbeat } from './heartbeat.ts';
import { Leftovers } from './leftovers.ts';
import { readRuns, type RunNow } from './looking.ts';
import { leaseLines } from './lease-lines.ts';
import { phaseLines } from './run-log.ts';
import { takeoverLines } from './takeovers.ts';
import { leaseTraces } from './lease-traces.ts';
import { isAlone, MakingRoom } from './making-room.ts';
import { signOff, signOn, type WorkerIdentity } from './membership.ts';
import { countingOf, Participation, type Ending } from './participation.ts';
import { fleetWorld, type FleetParts, type FleetWorld } from './parts.ts';
import { HELD_BACK_FACTOR } from './placing.ts';
import { Shares } from './shares.ts';
import { tellProgress } from './telling.ts';
import { fullAmong } from './transfers.ts';
import { judge } from './verdict.ts';

export interface WorkerOptions extends FleetParts, WorkerIdentity {
  /** Runs this worker takes part in at once, without those that are held back from outside. */
  readonly runsMax?: number;
  /** Bytes of content in memory, shared by all its runs. */
  readonly bytesInFlightMax?: number;
  readonly segmentsMax?: number;
  /** How busy this process is, from 0 to 1; left out: not known. */
  readonly load?: () => number;
}

export interface Worker {
  readonly id: string;
  /** Lets go of its runs where they are and leaves: others go on at once. Idempotent. */
  drain(): Promise<void>;
  /** Resolves when it has left, also because somebody asked for it from elsewhere. */
  readonly left: Promise<void>;
  /** Why it has left by itself: it came back to a fleet that takes it no more. */
  readonly failure: DroverError | null;
  /** Runs it takes part in now. */
  readonly runs: readonly string[];
}

export const RUNS_PER_WORKER = 10;

/** Resolves when it has signed on. VERSION_MISMATCH, ARTIFACTS_NOT_SHARED, DATABASE_UNAVAILABLE. */
export async function startWorker(world: ControlWorld, options: WorkerOptions): Promise<Worker> {
  const own = fleetWorld(world, options);
  const id = await signOn(own, { ...options, slots: options.runsMax ?? RUNS_PER_WORKER });
  return new FleetWorker(own, options, id);
}

/** How a run broke off here lately. */
interface Trouble {
  faults: number;
  scanned: number;
  notBeforeMs: number;
  delayMs: number;
}

class FleetWorker implements Worker {
  readonly id: string;
  readonly left: Promise<void>;
  readonly #world: FleetWorld;
  readonly #options: WorkerOptions;
  readonly #store: PostgresRunStore;
  readonly #shares: Shares;
  readonly #heartbeat: Heartbeat;
  readonly #dispatcher: Dispatcher;
  readonly #parts = new Map<string, Participation>();
  readonly #ending = new Set<Promise<void>>();
  readonly #leftovers: Leftovers;
  readonly #troubles = new Map<string, Trouble>();
  readonly #makingRoom = new MakingRoom();
  readonly #stop = new AbortController();
  readonly #unlisten: () => void;
  readonly #loops: readonly Promise<void>[];
  readonly #hasLeft = Promise.withResolvers<void>();
  #draining: Promise<void> | null = null;
  /** As everybody knows it. */
  #slots: { readonly slots: number; readonly atMs: number } | null = null;
  #signingOn: Promise<void> | null = null;
  #failure: DroverError | null = null;
  #wake: AbortController | null = null;
  #isWoken = false;

  constructor(world: FleetWorld, options: WorkerOptions, id: string) {
    this.id = id;
    this.left = this.#hasLeft.promise;
    this.#world = world;
    this.#options = options;
    const { leaseValidMs } = world.timing;
    this.#store = new PostgresRunStore(world.db, {
      leaseValidMs,
      watcher: watchersOf(
        countingOf(world, (runId) => this.#parts.get(runId)),
        leaseLines(world.log),
        takeoverLines(world, options.name),
        leaseTraces(world.tracing ?? NO_TRACING, id, (runId) => this.#parts.get(runId)?.jobId ?? null),
      ),
      onKind: phaseLines(world),
      onEnding: (tx, runId) => tellEnd(world, tx, runId),
      onEnded: (runId) => this.#onEnded(runId),
    });
    this.#shares = new Shares(world, id);
    this.#heartbeat = new Heartbeat(world, id, {
      held: () => this.#inHand(),
      onLost: () => this.#letGo(),
      onTaken: (leases) => leases.forEach((lease) => this.#store.lose(lease)),
      onGone: () => void this.#signOnAgain(),
      onDrain: () => void this.drain(),
    });
    this.#leftovers = new Leftovers({
      world,
      store: this.#store,
      shares: this.#shares,
      workerId: id,
      signal: this.#stop.signal,
      onFault: (thrown) =>
        this.#complain('What a run has left at its target could not be taken away just now.', thrown),
    });
    this.#dispatcher = new Dispatcher(world);
    this.#unlisten = world.bus.listen((topic) => {
      if (topic === 'work') this.#wakeUp();
    });
    this.#heartbeat.start();
    this.#dispatcher.start();
    this.#loops = [this.#looking(), this.#telling(), this.#sharing()];
  }

  get failure(): DroverError | null {
    return this.#failure;
  }

  get runs(): readonly string[] {
    return [...this.#parts.keys()];
  }

  drain(): Promise<void> {
    this.#draining ??= this.#drain();
    return this.#draining;
  }

  async #drain(): Promise<void> {
    const { db, bus, log } = this.#world;
    await inDatabase(() =>
      sql`UPDATE workers SET state = 'draining' WHERE id = ${this.id} AND state = 'active'`.execute(db),
    ).catch(() => undefined);
    this.#unlisten();
    this.#stop.abort();
    this.#wake?.abort();
    await Promise.all(this.#loops);
    for (const part of this.#parts.values()) part.stop(stopped('This worker is leaving.'));
    await Promise.all([...this.#ending, this.#leftovers.settled()]);
    await this.#dispatcher.stop();
    await this.#heartbeat.stop();
    // What was counted last.
    await this.#world.traffic.write(this.#world.db).catch(() => undefined);
    await signOff(this.#world, this.id).catch((error: unknown) => {
      log('warn', 'This worker could not sign off; the others will notice.', { error: String(error) });
    });
    await bus.tell('work', this.id);
    this.#hasLeft.resolve();
  }

  /** Without those of a run that was told to stop and does not: they run out, so that nobody waits for it for ever. */
  #inHand(): readonly HeldLease[] {
    return this.#store.held.filter(
      ({ runId, segmentId }) => segmentId === SWEEP_ID || this.#parts.get(runId)?.isOverdue !== true,
    );
  }

  /** The others have counted this worker as gone, and may be of another version by now. */
  #signOnAgain(): Promise<void> {
    if (this.#draining !== null) return Promise.resolve();
    this.#signingOn ??= this.#trySignOn().finally(() => (this.#signingOn = null));
    return this.#signingOn;
  }

  async #trySignOn(): Promise<void> {
    try {
      await signOn(this.#world, this.#options, this.id);
      await this.#heartbeat.beat();
      this.#world.log('info', 'This worker was away and has signed on again.', { worker: this.id });
    } catch (thrown) {
      this.#complain('This worker could not sign on again.', thrown);
      const error = fromDatabase(thrown);
      if (error.code !== 'VERSION_MISMATCH' && error.code !== 'ARTIFACTS_NOT_SHARED') return;
      this.#failure = error;
      void this.drain();
    }
  }

  /** Leases may be somebody else's in a moment: sockets are destroyed, nothing more is written. */
  #letGo(): void {
    const { log, timing } = this.#world;
    log('warn', `The database has not answered for ${timing.giveUpMs} ms: this worker lets go of its runs.`, {
      runs: this.runs.length,
    });
    for (const part of this.#parts.values()) part.stop(stopped('The leases of this worker could not be renewed.'));
  }

  async #looking(): Promise<void> {
    const { timing } = this.#world;
    while (!this.#stop.signal.aborted) {
      let isBusy = true;
      try {
        isBusy = await this.#look();
      } catch (thrown) {
        this.#complain('This worker could not look for runs.', thrown);
      }
      await this.#pause(isBusy ? timing.lookActiveMs : timing.lookIdleMs);
    }
  }

  /** True while there is something to do or to wait for. */
  async #look(): Promise<boolean> {
    if (this.#heartbeat.isLost) return true;
    const { resting } = this.#leftovers;
    const seen = await readRuns(this.#world, { workerId: this.id, own: this.runs, resting });
    const states = new Map(seen.map(({ id, state }) => [id, state]));
    for (const [runId, part] of this.#parts) {
      const state = states.get(runId);
      if (state !== 'running') part.stop(stopped(`The run is ${state ?? 'gone'}.`));
      else if (part.isOutdated) part.stop(stopped('A connector of the run was authorized anew.'));
      else if (this.#shares.isCrowdedOut(runId)) part.stop(stopped('Others have all transfers that a limit allows.'));
    }
    for (const { id, state, has_ended: hasEnded } of seen) {
      const isDue = state === 'cancelling' || (hasEnded && !this.#parts.has(id) && !resting.includes(id));
      if (isDue) this.#leftovers.look(id);
    }
    const nowMs = this.#world.clock.monotonic();
    const slots = this.#slotsNow();
    const free = slots - this.#parts.size;
    const open = seen.filter(({ id, state }) => state === 'running' && !this.#parts.has(id));
    const asked = free > 0 ? open : open.filter(isAlone);
    const full = await fullAmong(
      this.#world.db,
      asked.map(({ id }) => id),
    );
    for (const { id } of this.#joined(open, full, free)) this.#takePart(id);
    const left = this.#makingRoom.choose({
      seen,
      own: new Set(this.#parts.keys()),
      hasRoom: free > 0,
      full,
      nowMs,
      patienceMs: 2 * this.#world.timing.lookActiveMs,
    });
    if (left !== undefined) this.#parts.get(left)?.stop(stopped('Nobody works on another run.'));
    for (const id of this.#troubles.keys()) if (!states.has(id)) this.#troubles.delete(id);
    await this.#tellSlots(slots);
    return seen.length > 0;
  }

  #slotsNow(): number {
    const most = this.#options.runsMax ?? RUNS_PER_WORKER;
    const heldBack = [...this.#parts.values()].filter((part) => part.isHeldBack).length;
    return most + Math.min(heldBack, most * (HELD_BACK_FACTOR - 1));
  }

  /** So that no run is given a place that nobody has room for. */
  async #tellSlots(slots: number): Promise<void> {
    const { db, bus, clock, timing } = this.#world;
    const told = this.#slots;
    if (told?.slots === slots) return;
    // More at once; fewer when that was not only for a moment.
    if (told !== null && slots < told.slots && clock.monotonic() - told.atMs < timing.leaseValidMs) return;
    await inDatabase(() => sql`UPDATE workers SET slots = ${slots} WHERE id = ${this.id}::uuid`.execute(db));
    this.#slots = { slots, atMs: clock.monotonic() };
    await bus.tell('worker', this.id);
  }

  /** Where nobody is at work yet comes first; help elsewhere may be one transfer too many, and can wait for the next look. */
  #joined(open: readonly RunNow[], full: ReadonlyMap<string, unknown>, free: number): readonly RunNow[] {
    const nowMs = this.#world.clock.monotonic();
    const able = open
      .filter(({ id }) => !full.has(id))
      .filter(({ id }) => (this.#troubles.get(id)?.notBeforeMs ?? 0) <= nowMs);
    const alone = able.filter(isAlone);
    return (alone.length > 0 ? alone : able.toSorted((a, b) => a.workers - b.workers)).slice(0, Math.max(0, free));
  }

  #takePart(runId: string): void {
    const part = new Participation({
      world: this.#world,
      store: this.#store,
      workerId: this.id,
      shares: this.#shares,
      runId,
      bytesInFlightMax: () => (this.#options.bytesInFlightMax ?? BYTES_IN_FLIGHT_MAX) / Math.max(1, this.#parts.size),
      segmentsMax: this.#options.segmentsMax ?? SEGMENTS_AT_ONCE,
      load: this.#options.load ?? (() => 0),
    });
    this.#parts.set(runId, part);
    const ending = part.done
      .then((end) => this.#ended(part, end))
      .catch((thrown: unknown) => this.#complain('The end of a part in a run could not be noted.', thrown))
      .finally(() => {
        this.#parts.delete(runId);
        this.#ending.delete(ending);
        this.#wakeUp();
      });
    this.#ending.add(ending);
  }

  async #ended(part: Participation, { error, side, scanned }: Ending): Promise<void> {
    const { runId } = part;
    if (error === null) {
      this.#troubles.delete(runId);
      return;
    }
    const { clock, timing, log } = this.#world;
    const trouble = this.#troubleOf(runId);
    if (scanned > trouble.scanned) Object.assign(trouble, { scanned, faults: 0, delayMs: timing.againFirstMs });
    const verdict = judge({ error, side, faults: trouble.faults });
    if (verdict.kind === 'again' && verdict.isFault) trouble.faults += 1;
    trouble.notBeforeMs = clock.monotonic() + trouble.delayMs;
    trouble.delayMs = Math.min(timing.againMsMax, trouble.delayMs * 2);
    log('info', `Work on run ${runId} broke off: ${error.message}`, {
      run: runId,
      code: error.code,
      verdict: verdict.kind,
    });
    await carryOut(this.#world, runId, verdict, part.connectorOf(side));
  }

  #troubleOf(runId: string): Trouble {
    const known = this.#troubles.get(runId);
    if (known !== undefined) return known;
    const made = { faults: 0, scanned: 0, notBeforeMs: 0, delayMs: this.#world.timing.againFirstMs };
    this.#troubles.set(runId, made);
    return made;
  }

  async #onEnded(runId: string): Promise<void> {
    await onEnded(this.#world, runId).catch((thrown: unknown) =>
      this.#complain('The end of a run could not be told to everybody.', thrown),
    );
  }

  async #telling(): Promise<void> {
    const { clock, timing } = this.#world;
    while (!this.#stop.signal.aborted) {
      await clock.sleep(timing.progressEveryMs, this.#stop.signal).catch(() => undefined);
      if (this.#parts.size === 0 || this.#stop.signal.aborted) continue;
      try {
        await tellProgress(this.#world, this.id, [...this.#parts.values()], this.#shares.lookedAt);
      } catch (thrown) {
        this.#complain('Progress could not be told.', thrown);
      }
    }
  }

  #sharing(): Promise<void> {
    const onFault = (thrown: unknown): void =>
      this.#complain('The shares of this worker could not be computed anew.', thrown);
    return this.#shares.keep(this.#stop.signal, onFault);
  }

  #complain(words: string, thrown: unknown): void {
    const error = fromDatabase(thrown);
    this.#world.log('warn', words, { code: error.code, reason: error.message });
  }

  #wakeUp(): void {
    this.#isWoken = true;
    this.#wake?.abort();
  }

  async #pause(delayMs: number): Promise<void> {
    const { clock, timing } = this.#world;
    const wake = new AbortController();
    this.#wake = wake;
    if (!this.#isWoken) {
      await clock.sleep(delayMs, AbortSignal.any([wake.signal, this.#stop.signal])).catch(() => undefined);
    }
    this.#wake = null;
    if (this.#isWoken) await clock.sleep(timing.lookActiveMs / 20, this.#stop.signal).catch(() => undefined);
    this.#isWoken = false;
  }
}

function stopped(message: string): DroverError {
  return new DroverError('CANCELLED', message);
}
