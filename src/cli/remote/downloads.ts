/** Files made from runs: asked for, waited for, saved and compared with their checksum. */
import { createHash } from 'node:crypto';
import { DroverError } from '../../model/errors.ts';
import { visible } from '../terminal.ts';
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
  const body = { ...rest, ...(results === undefined ? {} : { results: [...results] }) };
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
  const counted = { bytes: 0 };
  if (out === '-') {
    if (session.terminal.options.json) {
      throw new DroverError('USAGE', 'With --json standard output holds JSON lines, so a file cannot go there.', {
        field: '--out',
      });
    }
    for await (const chunk of checked(content, artifact, counted)) await session.terminal.printBytes(chunk);
    return;
  }
  const path = out ?? fileNameOf(artifact);
  await session.world.saveFile(path, checked(content, artifact, counted), out !== null);
  await record(session, 'artifact', { ...artifact, path });
  await session.terminal.print(`Saved ${visible(path)}, ${session.format.bytes(counted.bytes)}.`);
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
  counted: { bytes: number },
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  for await (const chunk of content) {
    counted.bytes += chunk.byteLength;
    hash.update(chunk);
    yield chunk;
  }
  const isWhole = sizeBytes === null || sizeBytes === counted.bytes;
  if (isWhole && (sha256 === null || hash.digest('hex') === sha256)) return;
  throw new DroverError('CORRUPTED', 'What arrived is not the file that the server keeps.', {
    remedy: 'Download it again.',
  });
}
