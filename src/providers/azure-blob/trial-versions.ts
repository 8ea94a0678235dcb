/**
 * Where the account keeps versions, whatever is written to try it out would stay as one for good. Those are removed by
 * their ids, which takes a right of its own.
 */
import type { HttpResponse } from '../../lib/transport.ts';
import { toDroverError } from '../../model/errors.ts';
import type { BlobClient } from './client.ts';
import { listPage, type ListedBlob } from './listing.ts';

export class TrialVersions {
  readonly #client: BlobClient;
  readonly #on: { readonly container: string; readonly blob: string };
  #ids: string[] = [];

  constructor(client: BlobClient, container: string, blob: string) {
    this.#client = client;
    this.#on = { container, blob };
  }

  /** Of a write that may have made one. */
  notice({ status, headers }: Pick<HttpResponse, 'status' | 'headers'>): void {
    const id = headers['x-ms-version-id'];
    if (status === 201 && id !== undefined && !this.#ids.includes(id)) this.#ids.push(id);
  }

  get any(): boolean {
    return this.#ids.length > 0;
  }

  /** What an earlier trial left under this name. `foreign`: a blob has it that no trial wrote. */
  async find(sizeBytes: number, signal: AbortSignal): Promise<'ours' | 'foreign'> {
    const found = await this.#listed(signal);
    if (found.some(({ entry }) => entry.sizeBytes !== sizeBytes)) return 'foreign';
    const older = found.filter(({ isCurrentVersion }) => !isCurrentVersion);
    this.#ids = older.flatMap(({ entry }) => entry.identity.versionId ?? []);
    return 'ours';
  }

  /** False where one of them stays. The blob itself has to be deleted before: a current version is no older one. */
  async remove(signal: AbortSignal): Promise<boolean> {
    const left: string[] = [];
    for (const versionid of this.#ids) {
      const query = { versionid };
      const how = { method: 'DELETE', operation: 'DELETE', query, signal, accepts: [202, 404] } as const;
      const isGone = await this.#client.sendAndDiscard({ ...this.#on, ...how }).then(
        () => true,
        () => false,
      );
      if (!isGone) left.push(versionid);
    }
    this.#ids = left;
    return left.length === 0;
  }

  /** As far as it may be looked at; accounts that keep no versions may refuse the question. */
  async #listed(signal: AbortSignal): Promise<readonly ListedBlob[]> {
    const { container, blob } = this.#on;
    const query = { container, prefix: blob, marker: null, startFrom: null, withVersions: true, entriesMax: 50 };
    try {
      return (await listPage(this.#client, query, signal)).blobs.filter(({ name }) => name === blob);
    } catch (thrown) {
      const error = toDroverError(thrown);
      if (error.code === 'CANCELLED') throw error;
      return [];
    }
  }
}
