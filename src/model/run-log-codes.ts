/** One table of the codes of a run's log where no error and no item is told of; those have tables of their own. */

export interface RunLogCode {
  readonly meaning: string;
  /** One sentence: what to do, or that there is nothing to do. */
  readonly remedy: string;
}

const NOTHING = 'Nothing to do.';

export const RUN_LOG_CODES = {
  STARTED: { meaning: 'Somebody, or a schedule, has started the run.', remedy: NOTHING },
  WARNED: {
    meaning: 'The permission checks, or whoever resumed it, found something that may stand against the run.',
    remedy: 'Look whether it does.',
  },
  PAUSED: { meaning: 'Somebody has paused it.', remedy: 'Resume it when it may go on.' },
  RESUMED: { meaning: 'Somebody has let it go on.', remedy: NOTHING },
  WAITING: {
    meaning: 'It gives its place back, because it could do nothing now.',
    remedy: 'Nothing to do: it goes on by itself when it can; the line says what it waits for.',
  },
  GOES_ON: { meaning: 'It goes on by itself: what it waited for is there, or is tried again.', remedy: NOTHING },
  WORKER_JOINED: { meaning: 'A worker takes part.', remedy: NOTHING },
  WORKER_LEFT: { meaning: 'A worker has given back what it had and left, before the end.', remedy: NOTHING },
  WORKER_LOST: {
    meaning: 'A worker fell silent; others go on behind what it had settled.',
    remedy: 'Look whether its machine is well; start another one if it was the only one.',
  },
  TAKEN_OVER: { meaning: 'A worker goes on with what a lost one had.', remedy: NOTHING },
  LISTING: { meaning: 'Listing, comparing and copying begin.', remedy: NOTHING },
  LISTED: { meaning: 'Both sides are listed to their ends.', remedy: NOTHING },
  COPIED: { meaning: 'Whatever is written under its own name is there, or has failed.', remedy: NOTHING },
  NAMES: { meaning: 'Objects whose name the target cannot hold get another one.', remedy: NOTHING },
  RESTORES: {
    meaning: 'Archived objects that were asked back are waited for and copied.',
    remedy: 'Nothing to do; the store may take hours.',
  },
  DELETING: { meaning: 'The mirror deletes at the target what the source does not have.', remedy: NOTHING },
  SETTLING: { meaning: 'What was left half-made is taken away, and the manifest is made.', remedy: NOTHING },
  LIMITED_SOURCE: {
    meaning: 'For a while the source has asked for fewer requests.',
    remedy: 'Nothing to do; ask its owner for a higher limit to go faster.',
  },
  LIMITED_TARGET: {
    meaning: 'For a while the target has asked for fewer requests.',
    remedy: 'Nothing to do; ask its owner for a higher limit to go faster.',
  },
  LIMITED_BANDWIDTH: {
    meaning: "For a while the job's bandwidth timetable has held it back.",
    remedy: 'Change the timetable to go faster.',
  },
  LIMITED_LIMIT: {
    meaning: 'For a while a limit that was set has held it back.',
    remedy: 'Raise the limit that the line names to go faster.',
  },
  LIMITED_CPU: {
    meaning: 'For a while the processor of a worker has been busy all the time.',
    remedy: 'Start another worker on another machine to go faster.',
  },
  LIMITED_LINK: {
    meaning: 'For a while the network has carried no more.',
    remedy: 'A faster line, or another worker with a line of its own, goes faster.',
  },
  LIMITED_LATENCY: {
    meaning: "For a while most of the time has gone into waiting for the stores' answers.",
    remedy: 'More transfers at a time for the job, or another worker, go faster.',
  },
  LIMITED_NO_MORE: { meaning: 'What held it back is over.', remedy: NOTHING },
  LEFTOVERS: {
    meaning: 'Something half-made of this run may remain at the target.',
    remedy: 'Nothing while the line says that it is tried again; else look at the target for what it names.',
  },
  LEFTOVERS_GONE: { meaning: 'Nothing half-made of this run remains at the target any more.', remedy: NOTHING },
  ROWS_MISSING: {
    meaning: 'Some of what this run has moved at last is neither in its copy log nor in its sums.',
    remedy: 'Nothing while the line says that it is tried again; else a validation shows what is at the target.',
  },
  ROWS_JOINED: { meaning: 'What was missing in the copy log and in the sums is there now.', remedy: NOTHING },
  DIFFERENCES: {
    meaning: 'A validation has found differences between the two sides.',
    remedy: 'Look at them in the copy log; a transfer makes the target as the source is.',
  },
  SUMS: { meaning: 'What became of all the objects.', remedy: NOTHING },
  COMPLETE: { meaning: 'The run has come to its end, and nothing failed.', remedy: NOTHING },
  COMPLETE_WITH_ISSUES: {
    meaning: 'The run has come to its end, and not everything is as it should be.',
    remedy: 'The lines before it say what, each with what to do; then retry what failed.',
  },
} as const satisfies Record<string, RunLogCode>;

export type RunLogOwnCode = keyof typeof RUN_LOG_CODES;
