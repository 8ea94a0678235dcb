/** Files made from runs: asked for, waited for, saved and compared with their checksum. */
import { createHash } from 'node:crypto';
import type { Download } from '../../api/client/client.ts';
import { DroverError } from '../../model/errors.ts';
import { visible } from '../terminal.ts';
import { RESULTS } from '../../model/outcome.ts';
import { parseChoices } from '../units.ts';
import { isPackedName, packedFor } from './packing.ts';
import { answer, record, type Remote, type Wire } from './remote.ts';

const ASK_FIRST_MS = 200;
const ASK_MS_MAX = 2_000;

export interface ReportRequest {
  readonly kind: Wire['Artifact']['kind'];
  readonly spotCheck?: number;
  readonly results?: readonly string[];
}

/** Asks for the file, and waits until it is there. */
export async function makeFile(remote: Remote, runId: string, request: ReportRequest): Promise<Wire['Artifact']> {
  const { session, http } = remote;
  const { signal } = session;
  const { results, ...rest } = request;
  const known = parseChoices(results?.join(','), '--result', RESULTS);
  const body = { ...rest, ...(results === undefined ? {} : { results: known }) };
  let artifact = await answer(
    http.POST('/api/v1/runs/{id}/artifacts', { params: { path: { id: runId } }, body, signal }),
  );
  for (let waitMs = ASK_FIRST_MS; artifact.state === 'pending'; waitMs = Math.min(ASK_MS_MAX, waitMs * 2)) {
    await session.world.clock.sleep(waitMs, signal);
    artifact = await answer(http.GET('/api/v1/artifacts/{id}', { params: { path: { id: artifact.id } }, signal }));
  }
  return artifact;
}

/** `out`: `-` for standard output; `null`: its own name, which must be free. */
export async function saveArtifact(remote: Remote, artifact: Wire['Artifact'], out: string | null): Promise<void> {
  const { session, client } = remote;
  refuseUnready(artifact);
  const { content } = await client.download(artifact.id, 0, session.signal);
  const path = out ?? fileNameOf(artifact);
  const packed = packedFor(path, checked(content, artifact), isPackedName(artifact.fileName));
  if (out === '-') {
    refuseMixed(session.terminal.options.json);
    for await (const chunk of packed) await session.terminal.printBytes(chunk);
    return;
  }
  const counted = { bytes: 0 };
  await session.world.saveFile(path, countedIn(packed, counted), out !== null);
  await record(session, 'artifact', { ...artifact, path });
  await session.terminal.print(`Saved ${visible(path)}, ${session.format.bytes(counted.bytes)}.`);
}

/** About `--out` of a log. */
export const LOG_FILE =
  'all of it into this file, as CSV, or NDJSON where the name ends so, packed where it ends with .gz; - for standard output';
/** About `--out` of another file. */
export const PACKED = 'packed only where the name ends with .gz; - for standard output';

export function logFormatOf(out: string): 'csv' | 'ndjson' {
  return /\.(?:ndjson|jsonl|json)(?:\.gz)?$/i.test(out) ? 'ndjson' : 'csv';
}

/** A log is made as it is read, so there is no checksum; a connection that breaks in the middle is an error. */
export async function saveLog({ session }: Remote, { content }: Download, out: string): Promise<void> {
  if (out === '-') {
    refuseMixed(session.terminal.options.json);
    for await (const chunk of content) await session.terminal.printBytes(chunk);
    return;
  }
  const counted = { bytes: 0 };
  await session.world.saveFile(out, countedIn(packedFor(out, content, false), counted), true);
  await session.terminal.print(`Saved ${visible(out)}, ${session.format.bytes(counted.bytes)}.`);
}

async function* countedIn(content: AsyncIterable<Uint8Array>, counted: { bytes: number }): AsyncGenerator<Uint8Array> {
  for await (const chunk of content) {
    counted.bytes += chunk.byteLength;
    yield chunk;
  }
}

function refuseMixed(isJson: boolean): void {
  if (!isJson) return;
  throw new DroverError('USAGE', 'With --json standard output holds JSON lines, so a file cannot go there.', {
    field: '--out',
  });
}

function refuseUnready({ state, error, fileName }: Wire['Artifact']): void {
  if (state === 'ready') return;
  if (error !== null) throw new DroverError(error.code, error.message, { field: error.field, remedy: error.remedy });
  const message =
    state === 'expired'
      ? `"${fileName}" was kept as long as files are, and is gone.`
      : `"${fileName}" is not ready yet.`;
  throw new DroverError('WRONG_STATE', message, {
    remedy: state === 'expired' ? 'Ask for it anew: drover run report RUN --out FILE' : 'Try again in a moment.',
  });
}

/** A server's file name never leads out of the folder. */
function fileNameOf({ fileName, id }: Wire['Artifact']): string {
  const name = fileName.split(/[/\\]/).at(-1) ?? '';
  return name === '' || name === '.' || name === '..' ? id : name;
}

async function* checked(
  content: AsyncIterable<Uint8Array>,
  { sha256, sizeBytes }: Wire['Artifact'],
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  let arrivedBytes = 0;
  for await (const chunk of content) {
    arrivedBytes += chunk.byteLength;
    hash.update(chunk);
    yield chunk;
  }
  const isWhole = sizeBytes === null || sizeBytes === arrivedBytes;
  if (isWhole && (sha256 === null || hash.digest('hex') === sha256)) return;
  throw new DroverError('CORRUPTED', 'What arrived is not the file that the server keeps.', {
    remedy: 'Download it again.',
  });
}
