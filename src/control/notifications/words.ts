/** What a mail says. Never a message per object: a mail is about runs, and names numbers. */
import type { Json } from '../../model/json.ts';
import { RUN_STATE_WORDS, type RunState } from '../../model/outcome.ts';
import type { Message } from './senders.ts';

interface About {
  readonly runId?: string;
  readonly job?: string;
  readonly project?: string;
  readonly number?: number;
  readonly kind?: string;
  readonly state?: string;
  readonly reason?: string;
  readonly connector?: string;
  readonly connectorId?: string;
  readonly remedy?: string;
  readonly items?: {
    readonly copied?: number;
    readonly failed?: number;
    readonly unsupported?: number;
    readonly scanned?: number;
    readonly deleted?: number;
  };
  /** What a mirror could not delete. */
  readonly deletesFailed?: number;
  /** Compared or copied with nothing but their sizes to go by. */
  readonly sizeOnly?: number;
  readonly differences?: {
    readonly missing?: number;
    readonly different?: number;
    readonly extra?: number;
    readonly kept?: number;
  };
}

const LISTED_MAX = 200;

export function wordsOf(
  messages: readonly Message[],
  publicUrl: string | null,
): { readonly subject: string; readonly text: string } {
  const [only] = messages;
  if (messages.length === 1 && only !== undefined) {
    const head = headOf(only);
    return { subject: `Drover: ${head}`, text: `${paragraphOf(only, publicUrl)}\n` };
  }
  const shown = messages.slice(0, LISTED_MAX).map((message) => paragraphOf(message, publicUrl));
  const rest = messages.length > LISTED_MAX ? [`And ${messages.length - LISTED_MAX} more.`] : [];
  return { subject: `Drover: ${messages.length} events`, text: `${[...shown, ...rest].join('\n\n')}\n` };
}

function aboutOf(payload: Json): About {
  return typeof payload === 'object' && payload !== null && !Array.isArray(payload) ? (payload as About) : {};
}

function headOf({ event, payload }: Message): string {
  const { job, project, number, connector, state, kind } = aboutOf(payload);
  const run =
    job === undefined ? 'a run' : `run ${number ?? ''} of "${project ?? ''}/${job}"`.replace('run  of', 'a run of');
  switch (event) {
    case 'run.completed':
      return `${run} has ended`;
    case 'run.failed':
      return `${run} failed`;
    case 'run.attention':
      if (state !== 'completed-with-issues') return `${run} needs attention`;
      return kind === 'validate' ? `${run} has found something` : `${run} has ended with issues`;
    case 'schedule.refused':
      return `a scheduled run of "${project ?? ''}/${job ?? ''}" could not start`;
    case 'connector.attention':
      return `the connector "${connector ?? ''}" needs attention`;
    case 'test':
      return 'a test message';
    default:
      return event;
  }
}

function paragraphOf(message: Message, publicUrl: string | null): string {
  const about = aboutOf(message.payload);
  const { state, reason, remedy, connector, connectorId, runId } = about;
  const page = runId === undefined ? connectorId && `connectors/${connectorId}` : `runs/${runId}`;
  const head = headOf(message);
  const lines = [
    `${head.charAt(0).toUpperCase()}${head.slice(1)}.`,
    ...(state === undefined ? [] : [`State: ${RUN_STATE_WORDS[state as RunState] ?? state}.`]),
    ...sumsOf(about),
    ...(connector === undefined || connectorId !== undefined ? [] : [`Connector: ${connector}.`]),
    ...(reason === undefined ? [] : [reason]),
    ...(remedy === undefined ? [] : [remedy]),
    `At ${message.at}.`,
    ...(publicUrl === null || page === undefined ? [] : [`${publicUrl}/${page}`]),
  ];
  return lines.join('\n');
}

function sumsOf({ kind, items, differences = {}, deletesFailed = 0, sizeOnly = 0 }: About): readonly string[] {
  if (items === undefined) return [];
  const { copied = 0, scanned = 0, failed = 0, unsupported = 0, deleted = 0 } = items;
  const { missing = 0, different = 0, extra = 0, kept = 0 } = differences;
  const staying = kept > 0 ? [`${kept} only at the target stay: below names of the source that are not read.`] : [];
  const lost = `${failed} failed, ${unsupported} unsupported.`;
  const unproved = sizeOnly > 0 ? [`${sizeOnly} compared by size alone: not proved.`] : [];
  switch (kind) {
    case 'validate':
      return [
        `${scanned} objects compared: ${missing} missing at the target, ${different} different, ${extra} only at the target, ${lost}`,
        ...unproved,
      ];
    case 'dry-run':
      return [
        `A dry run: ${missing + different} of ${scanned} objects would be transferred, ${lost}`,
        ...(extra > kept ? [`${extra - kept} would be deleted at the target.`] : []),
        ...staying,
      ];
    default:
      return [
        `${copied} of ${scanned} objects transferred, ${lost}`,
        ...(deleted > 0 ? [`${deleted} deleted at the target.`] : []),
        ...(deletesFailed > 0 ? [`${deletesFailed} could not be deleted at the target.`] : []),
        ...staying,
        ...unproved,
      ];
  }
}
