/** Following a run of a server to its end, through lost connections and restarts of the server. */
import type { Progress } from '../../engine/definition.ts';
import { DroverError, toDroverError } from '../../model/errors.ts';
import { unprovedItems, type RunState } from '../../model/outcome.ts';
import { EXIT, exitOfFailure, type ExitCode } from '../exit.ts';
import { openProgressView } from '../progress.ts';
import { NO_REQUESTS, type Summary } from '../summary.ts';
import type { CommandEnd } from '../session.ts';
import { visible } from '../terminal.ts';
import { runReport, STATE_WORDS, type NextSteps } from '../texts.ts';
import { answer, record, type Remote, type Wire } from './remote.ts';
import { jobPath } from './words.ts';

type Run = Wire['Run'];

const ENDED: readonly RunState[] = ['succeeded', 'completed-with-issues', 'failed', 'cancelled'];
/** Without a word from the live stream the run is asked for: what happened before it was there may be the end. */
const SILENT_MS_MIN = 500;
const SILENT_MS_MAX = 5_000;
/** What passes when the server comes back. */
const PASSING: readonly string[] = ['UNREACHABLE', 'UNAVAILABLE', 'DATABASE_UNAVAILABLE', 'TIMED_OUT'];

export function hasEnded(run: Run): boolean {
  return ENDED.includes(run.state);
}

/** Until the run has ended, stands still for a person, or the person stops looking; the run itself is never touched. */
export async function watch(remote: Remote, first: Run): Promise<CommandEnd> {
  const { session } = remote;
  const { terminal } = session;
  let run = first;
  const stopped = session.signal;
  const view = openProgressView(session);
  let waitsFor = '';
  try {
    for await (run of statesOf(remote, first)) {
      session.interim = summaryOf(run);
      if (run.live !== null) view.show(progressOf(run, run.live));
      const text = run.waits?.text ?? '';
      if (text !== waitsFor && text !== '' && !hasEnded(run))
        await terminal.say(`${STATE_WORDS[run.state]}: ${visible(text)}`);
      waitsFor = text;
      if (hasEnded(run) || run.state === 'paused') break;
    }
  } catch (error) {
    if (!stopped.aborted) throw error;
  } finally {
    await view.end();
  }
  if (stopped.aborted && !hasEnded(run)) {
    await terminal.say(`Not watching any more; the run goes on. Look again: drover run watch ${run.id}`);
    return { exit: EXIT.INTERRUPTED, summary: summaryOf(run) };
  }
  return endOfRun(remote, run);
}

/** What a run came to, in words and as an exit code. */
export async function endOfRun(remote: Remote, run: Run): Promise<CommandEnd> {
  const { session, http } = remote;
  const { settings } = await answer(http.GET('/api/v1/runs/{id}/snapshot', { params: { path: { id: run.id } } }));
  await record(session, 'run', run);
  await session.terminal.print(endText(remote, run, settings));
  return { exit: exitOf(run, settings), summary: summaryOf(run) };
}

export function endText({ session }: Remote, run: Run, settings: Wire['Policy']): string {
  if (run.state === 'succeeded' || run.state === 'completed-with-issues') {
    const { id: runId, counters, durationMs } = run;
    return runReport({ runId, counters, durationMs, definition: { policy: settings } }, session.format, stepsOf(run));
  }
  const job = jobPath({ projectName: run.projectName, name: run.jobName });
  if (run.error !== null)
    return `${STATE_WORDS[run.state]}: ${visible(run.error.message)}\n${visible(run.error.remedy)}`;
  if (run.state === 'cancelled') return `Canceled. What was copied stays. Run ${run.id} of "${visible(job)}".`;
  const why = run.waits === null ? '' : `: ${visible(run.waits.text)}`;
  return `${STATE_WORDS[run.state]}${why}\n  Continue      drover run resume ${run.id}`;
}

function stepsOf(run: Run): NextSteps {
  const job = jobPath({ projectName: run.projectName, name: run.jobName });
  return {
    log: (runId, results) =>
      // The server keeps what did not make it to be searched; everything else is in the copy log.
      results.includes('missing') || results.includes('different')
        ? `drover run report ${runId} --kind copy-log-csv --result ${results} --out copy-log.csv`
        : `drover run items ${runId} --result ${results}`,
    again: `drover job start "${job}" --retry ${run.id}`,
    prove: [
      `drover job start "${job}" --kind validate --verify read-back`,
      `drover job update "${job}" --accept-size-only`,
    ],
  };
}

/** The table of exit codes, for a run of a server. */
export function exitOf(run: Run, settings: Pick<Wire['Policy'], 'acceptV0' | 'dryRun'>): ExitCode {
  const { error, state, kind, counters } = run;
  if (error !== null && error.code !== 'CANCELLED') return exitOfFailure(error, 'during');
  if (state === 'failed') return EXIT.FAILED;
  if (state !== 'succeeded' && state !== 'completed-with-issues') return EXIT.INTERRUPTED;
  const { missing, different, extra } = counters.differences;
  if (kind === 'validate' && missing + different + extra > 0) return EXIT.DIFFERENT;
  if (counters.items.failed > 0 || counters.deletesFailed > 0) return EXIT.ITEMS_FAILED;
  if (unprovedItems(counters, settings) > 0) return EXIT.ITEMS_FAILED;
  return EXIT.FINE;
}

export function summaryOf(run: Run): Summary {
  const { id: runId, state, counters, requests, durationMs, error } = run;
  return { runId, state, counters, requests: requests ?? NO_REQUESTS, durationMs, error };
}

const SERVER_LIMITS: Readonly<Record<string, string>> = {
  bandwidth: "the job's bandwidth timetable",
  limit: 'a limit of the job or its connectors',
};

function progressOf(run: Run, live: NonNullable<Run['live']>): Progress {
  const { remaining, limitedBy } = live;
  return {
    runId: run.id,
    phase: live.phase,
    counters: live.counters,
    expected: expectedOf(live),
    pendingItems: live.pendingItems,
    pendingBytes: live.pendingBytes,
    listingComplete: live.listingComplete,
    elapsedMs: run.durationMs,
    bytesPerSecond: live.bytesPerSecond,
    itemsPerSecond: live.itemsPerSecond,
    bytesPerSecondMean: live.bytesPerSecondMean,
    remainingMs:
      remaining === null ? null : { low: remaining.lowMs, high: remaining.highMs, confidence: remaining.confidence },
    limitedBy: limitedBy.kind,
    // Other words of the line name options of `copy`; `run show` has the sentence.
    limitWords: SERVER_LIMITS[limitedBy.kind],
    current: live.current,
  };
}

/** Also with exact totals: the server's share never goes back, and what is moved is not all that there is. */
function expectedOf({ totals, percent }: NonNullable<Run['live']>): Progress['expected'] {
  return totals === null ? undefined : { items: totals.items, sizeBytes: totals.sizeBytes, percent };
}

/** The run as it is now, and each time that it is known to be different. Never ends by itself. */
async function* statesOf(remote: Remote, first: Run): AsyncGenerator<Run> {
  const { session, client } = remote;
  const { clock } = session.world;
  yield first;
  const leaving = new AbortController();
  const signal = AbortSignal.any([session.signal, leaving.signal]);
  const events = client.events([`run:${first.id}`], clock, signal)[Symbol.asyncIterator]();
  const looks = new Looks(remote, first.id);
  try {
    let next = events.next();
    // Whatever it was, it is looked for again below.
    next.catch(() => undefined);
    for (let silentMs = SILENT_MS_MIN; ;) {
      const timer = new AbortController();
      const silent = clock.sleep(silentMs, AbortSignal.any([signal, timer.signal])).then(() => null);
      silent.catch(() => undefined);
      const received = await Promise.race([next, silent]);
      timer.abort();
      if (received !== null) {
        if (received.done === true) return;
        next = events.next();
        next.catch(() => undefined);
        silentMs = SILENT_MS_MAX;
      } else silentMs = Math.min(SILENT_MS_MAX, silentMs * 2);
      const event = received?.value ?? null;
      if (event?.type === 'changed') {
        await looks.found();
        yield event.entity as Run;
        continue;
      }
      const run = await looks.look();
      if (run !== null) yield run;
    }
  } finally {
    leaving.abort();
    await events.return?.(undefined).catch(() => undefined);
  }
}

/** Asks for the run; a server that does not answer for a while is said once, and waited for. */
class Looks {
  readonly #remote: Remote;
  readonly #id: string;
  #isLost = false;

  constructor(remote: Remote, id: string) {
    this.#remote = remote;
    this.#id = id;
  }

  async look(): Promise<Run | null> {
    const { session, http, url } = this.#remote;
    try {
      const { signal } = session;
      const run = await answer(http.GET('/api/v1/runs/{id}', { params: { path: { id: this.#id } }, signal }));
      await this.found();
      return run;
    } catch (thrown) {
      const error: DroverError = toDroverError(thrown);
      if (!PASSING.includes(error.code)) throw error;
      if (!this.#isLost)
        await session.terminal.say(`The server at ${url} does not answer; Drover keeps asking. Ctrl-C stops that.`);
      this.#isLost = true;
      return null;
    }
  }
  /** The server was heard of. */
  async found(): Promise<void> {
    if (this.#isLost) await this.#remote.session.terminal.say('The server answers again.');
    this.#isLost = false;
  }
}
