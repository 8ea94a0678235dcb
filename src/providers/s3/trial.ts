/**
 * One small object of our own at one fixed name, to find out what is allowed. Where the bucket keeps versions, those that
 * it made are removed; where that is not allowed, one stays, hidden behind a delete marker, and is not added to.
 */
import { hexToBase64 } from '../../lib/encode.ts';
import { childText } from '../../lib/xml.ts';
import { digestOf } from '../../lib/hash.ts';
import type { Random } from '../../lib/world.ts';
import { toDroverError } from '../../model/errors.ts';
import type { S3Client, S3Request } from './client.ts';
import { encryptionOfRead, encryptionOfWrite } from './encryption.ts';
import type { Headers } from './headers.ts';
import { Objects } from './objects.ts';
import { CHECK_PROBE, holdsOurs, PROBE_CONTENT as CONTENT } from './old-probes.ts';

/** Buckets under Object Lock with a default retention take nothing without it. */
export const CONTENT_MD5 = { 'content-md5': hexToBase64(digestOf('md5', CONTENT)) } as const;
const OLD_VERSIONS_MAX = 10;

interface Version {
  readonly versionId: string;
  readonly isMarker: boolean;
}

export class Trial {
  readonly #objects: Objects;
  readonly #name: string;
  readonly #signal: AbortSignal;
  /** That this made and nobody has removed yet. */
  #versions: Version[] = [];
  #mayBeThere = false;
  #isStuck = false;

  private constructor(objects: Objects, name: string, signal: AbortSignal) {
    this.#objects = objects;
    this.#name = name;
    this.#signal = signal;
  }

  /** Takes away what an earlier one left, as far as it may. Another name where somebody else's object has that one. */
  static async at(
    client: S3Client,
    random: Random,
    place: { readonly container: string; readonly prefix: string },
    signal: AbortSignal,
  ): Promise<Trial> {
    const objects = new Objects(client, { bucket: place.container, prefix: place.prefix });
    const trial = new Trial(objects, CHECK_PROBE, signal);
    const found = await trial.#clearOld();
    if (found === 'foreign') {
      return new Trial(objects, `.drover-probe-${Buffer.from(random.bytes(8)).toString('hex')}`, signal);
    }
    trial.#isStuck = found === 'stuck';
    return trial;
  }

  get key(): string {
    return this.#objects.fullKey(this.#name);
  }

  /** Something of an earlier one stays here, because it may not be removed. */
  get isStuck(): boolean {
    return this.#isStuck;
  }

  get hasVersions(): boolean {
    return this.#versions.length > 0;
  }

  /**
   * Rejects as the store refuses to delete. Only where a store ignores the condition, which nothing can meet here, and
   * keeps versions, this leaves a delete marker.
   */
  async mayHide(): Promise<void> {
    try {
      await this.#run({ ...this.#delete(this.#signal), headers: { 'if-match': '*' }, accept: [404, 412] });
    } catch (thrown) {
      const status = statusOf(thrown);
      if (status !== 400 && status !== 501) throw thrown;
      await this.hide(this.#signal);
    }
  }

  async put(headers: Headers): Promise<void> {
    const { settings } = this.#objects.client;
    try {
      await this.#run({
        ...this.#objects.on(this.#name),
        method: 'PUT',
        headers: { ...encryptionOfWrite(settings), ...CONTENT_MD5, ...headers },
        body: { sizeBytes: CONTENT.length, content: CONTENT },
        operation: 'PUT',
        signal: this.#signal,
      });
      this.#mayBeThere = true;
    } catch (thrown) {
      const status = statusOf(thrown);
      this.#mayBeThere ||= status === null || status >= 500;
      throw thrown;
    }
  }

  /** Of an upload that nobody sees; the upload goes again. False where it could not. */
  async begin(headers: Headers): Promise<boolean> {
    const { client } = this.#objects;
    const on = this.#objects.on(this.#name);
    const begun = await client.document({
      ...on,
      method: 'POST',
      query: [['uploads', '']],
      headers: { ...encryptionOfWrite(client.settings), ...headers },
      operation: 'BEGIN',
      signal: this.#signal,
    });
    const uploadId = childText(begun.root, 'UploadId') ?? '';
    const end = { ...on, method: 'DELETE', query: [['uploadId', uploadId]], operation: 'ABORT' } as const;
    return isDone(client.run({ ...end, signal: never() }));
  }

  /** Deletes without saying which version: where the bucket keeps them, the object is only hidden. */
  async hide(signal: AbortSignal): Promise<void> {
    await this.#run(this.#delete(signal));
    this.#mayBeThere = false;
  }

  /** Removes for good what this made. False, with what is left hidden or to be hidden, where that is not allowed. */
  async clear(): Promise<boolean> {
    // A marker that hides something goes last.
    for (const version of this.#versions.toSorted((a, b) => Number(a.isMarker) - Number(b.isMarker))) {
      if (!(await this.#remove(version.versionId))) return false;
      this.#versions = this.#versions.filter((other) => other !== version);
    }
    return true;
  }

  /** Whatever happened: nothing that can be seen stays. */
  async leave(): Promise<void> {
    const isClear = this.hasVersions && (await this.clear());
    if (this.#mayBeThere && !isClear) await this.hide(never()).catch(() => undefined);
  }

  async #clearOld(): Promise<'nothing' | 'stuck' | 'foreign'> {
    for (let looked = 0; looked < OLD_VERSIONS_MAX; looked += 1) {
      const head = await this.#look();
      const isMarker = head?.headers['x-amz-delete-marker'] === 'true';
      if (head === null || (head.status === 404 && !isMarker)) return 'nothing';
      if (!isMarker && !(await holdsOurs(this.#objects, this.#name, this.#signal))) return 'foreign';
      const versionId = head.headers['x-amz-version-id'];
      if (versionId === undefined) return isMarker ? 'stuck' : 'nothing';
      if (await this.#remove(versionId)) continue;
      if (!isMarker) await this.hide(this.#signal).catch(() => undefined);
      this.#versions = [];
      return 'stuck';
    }
    return 'stuck';
  }

  /** `null`: it may not be looked at. */
  async #look(): Promise<{ readonly status: number; readonly headers: Headers } | null> {
    const { client } = this.#objects;
    const on = this.#objects.on(this.#name);
    const headers = encryptionOfRead(client.settings);
    try {
      const signal = this.#signal;
      return await client.run({ ...on, method: 'HEAD', headers, operation: 'HEAD', signal, accept: [404] });
    } catch (thrown) {
      if (toDroverError(thrown).code === 'CANCELLED') throw thrown;
      return null;
    }
  }

  #delete(signal: AbortSignal): S3Request {
    return { ...this.#objects.on(this.#name), method: 'DELETE', operation: 'DELETE', signal };
  }

  #remove(versionId: string): Promise<boolean> {
    const query = [['versionId', versionId]] as const;
    return isDone(this.#objects.client.run({ ...this.#delete(never()), query }));
  }

  async #run(request: S3Request): Promise<void> {
    const { status, headers } = await this.#objects.client.run(request);
    const versionId = headers['x-amz-version-id'];
    if (status >= 300 || versionId === undefined) return;
    this.#versions.push({ versionId, isMarker: request.method === 'DELETE' });
  }
}

function isDone(doing: Promise<unknown>): Promise<boolean> {
  return doing.then(
    () => true,
    () => false,
  );
}

function statusOf(thrown: unknown): number | null {
  const status = toDroverError(thrown).details?.['status'];
  return typeof status === 'number' ? status : null;
}

function never(): AbortSignal {
  return new AbortController().signal;
}
