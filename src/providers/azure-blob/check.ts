/** Permission by permission, on the place itself: what works, what does not, and what to correct. */
import type { CheckLine, CheckWish, Place, Use } from '../../contract/provider.ts';
import { DroverError, toDroverError } from '../../model/errors.ts';
import { blockId, READABLE_LENGTH } from './block-ids.ts';
import { textBody, type BlobClient } from './client.ts';
import { listContainersPage, listPage, type BlobPage } from './listing.ts';
import { CHECK_CONTENT as PROBE_CONTENT, CHECK_KEY, otherCheckKey } from './old-probes.ts';
import { tagsDocument } from './tags.ts';
import { TrialVersions } from './trial-versions.ts';

export interface CheckSettings {
  readonly client: BlobClient;
  /** Fields the person filled in, to name the right one. */
  readonly hasEndpointField: boolean;
  /** The place to look at; `null`: the account as a whole. */
  readonly place: Place | null;
  readonly use: Use;
  readonly wish?: CheckWish | undefined;
}

export async function* checkAccount(settings: CheckSettings, signal: AbortSignal): AsyncGenerator<CheckLine> {
  const { client, place } = settings;
  yield identityLine(client);
  const expiry = expiryLine(client);
  if (expiry !== null) yield expiry;
  if (place === null) {
    yield await tried(settings, 'list', 'The containers of the account can be listed.', () =>
      listContainersPage(client, null, signal, 1),
    );
    return;
  }
  let page: BlobPage | null = null;
  const listed = await tried(settings, 'list', `Container "${place.container}" can be listed.`, async () => {
    page = await listPage(
      client,
      {
        container: place.container,
        prefix: place.prefix,
        marker: null,
        startFrom: null,
        withVersions: false,
        entriesMax: 20,
      },
      signal,
    );
  });
  yield listed;
  if (isFatal(listed)) return;
  const results: CheckLine[] = [listed];
  for await (const found of permissionLines(settings, place, page, signal)) {
    results.push(found);
    yield found;
  }
  yield summary(results, settings.use);
}

async function* permissionLines(
  settings: CheckSettings,
  place: Place,
  page: BlobPage | null,
  signal: AbortSignal,
): AsyncGenerator<CheckLine> {
  const { client, use } = settings;
  if (use !== 'write') {
    const sample = page?.blobs.find((blob) => blob.entry.kind === 'object' && blob.entry.availability === 'online');
    if (sample === undefined) {
      yield line('read', 'unknown', 'There is no blob here to try reading with.', null, null);
    } else {
      yield await tried(settings, 'read', 'Blobs can be read.', () =>
        readOne(client, place, sample.name, sample.entry.sizeBytes, signal),
      );
      if (settings.wish?.tags !== false) {
        yield await tried(settings, 'tags', 'Tags can be read.', () => readTagsOf(client, place, sample.name, signal));
      }
    }
  }
  if (use === 'read') return;
  if (use === 'write' && page !== null) yield await headLine(settings, place, signal);
  yield* writeLines(settings, place, signal);
}

/** A blob is written only where it can be deleted again, and does not stay; elsewhere one block is staged, which nobody sees. */
async function* writeLines(settings: CheckSettings, place: Place, signal: AbortSignal): AsyncGenerator<CheckLine> {
  const probe = await probeAt(settings, place, signal);
  const tags = { what: 'tags', success: 'Tags can be written.' } as const;
  const deletable = await tried(settings, 'delete', 'Blobs can be deleted.', () => deleteProbe(probe));
  const canDelete = deletable.result === 'ok';
  // What an earlier one left, and maybe could not remove then.
  const isStuck = canDelete && !(await probe.versions.remove(signal));
  const isWritten = canDelete && !isStuck;
  const written = await tried(settings, 'write', 'Blobs can be written.', () =>
    isWritten ? putProbe(probe, {}) : stageProbe(probe),
  );
  yield written;
  const wantsTags = settings.wish?.tags !== false && canDelete && written.result === 'ok';
  if (isWritten && written.result === 'ok') {
    if (wantsTags) {
      yield await tried(settings, tags.what, tags.success, () => putProbe(probe, { 'x-ms-tags': 'drover=probe' }));
    }
    const removed = await tried(settings, 'delete', 'Blobs can be deleted.', () => deleteProbe(probe));
    yield removed;
    if (removed.result === 'ok' && !(await probe.versions.remove(signal))) yield staysLine(probe.blob);
    return;
  }
  if (wantsTags) yield await tried(settings, tags.what, tags.success, () => tagNothing(probe));
  yield settings.wish?.deletes === false ? unneeded(deletable) : deletable;
  if (isStuck) yield staysLine(probe.blob);
}

async function probeAt({ client }: CheckSettings, place: Place, signal: AbortSignal): Promise<Probe> {
  const { container } = place;
  const at = (key: string): Probe => {
    const blob = place.prefix + key;
    return { client, container, blob, versions: new TrialVersions(client, container, blob), signal };
  };
  const probe = at(CHECK_KEY);
  const found = await probe.versions.find(PROBE_CONTENT.length, signal);
  return found === 'ours' ? probe : at(otherCheckKey(client.clock.now()));
}

/** Of an account that keeps versions for good, as far as Drover is concerned. */
function staysLine(blob: string): CheckLine {
  return line(
    'fact',
    'warning',
    `The account keeps versions, and Drover may not remove those of its trials: small ones stay at "${blob}", and another one named .drover-probe-… each time a start tries out what the store honours.`,
    null,
    'Grant the role Storage Blob Data Owner, or the permission x of a signature, or have a rule of the account remove older versions; what an immutability policy holds stays until its time is over.',
  );
}

/** Only a mirror deletes. */
function unneeded(deletable: CheckLine): CheckLine {
  if (deletable.what !== 'delete' || deletable.result !== 'refused') return deletable;
  const message = `Blobs cannot be deleted: nothing is, in this mode, but small blobs named .drover-probe-… may remain (${deletable.message})`;
  return { ...deletable, result: 'warning', message };
}

/** A target is looked at again by its headers; one that is not there answers the question too. */
async function headLine(settings: CheckSettings, place: Place, signal: AbortSignal): Promise<CheckLine> {
  const { client } = settings;
  const blob = place.prefix + otherCheckKey(client.clock.now());
  const answer = await tried(settings, 'read', 'Blobs can be looked at.', () =>
    client.sendAndDiscard({
      method: 'HEAD',
      operation: 'HEAD',
      container: place.container,
      blob,
      signal,
      accepts: [200, 404],
    }),
  );
  if (answer.what !== 'read' || answer.result !== 'refused') return answer;
  const message = `What is at the target cannot be looked at: writes of which the answer is lost count as failed (${answer.message})`;
  return { ...answer, result: 'warning', message };
}

/** Comes before any answer, so it says what is used and not that it works. */
function identityLine(client: BlobClient): CheckLine {
  const { signIn } = client;
  const how = {
    'connection-string': 'a connection string',
    sas: 'a shared access signature',
    'account-key': 'the account key',
    'client-secret': 'an app registration (client secret)',
    'client-certificate': 'an app registration (certificate)',
    'managed-identity': 'the managed identity of this machine',
    environment: 'the identity of the environment',
  }[signIn.authorization];
  return {
    ...line('identity', 'ok', `Storage account "${signIn.accountName}" is used with ${how}.`, null, null),
    identity: { role: 'acts', name: `${signIn.accountName}, with ${how}`, accountId: null },
  };
}

function expiryLine(client: BlobClient): CheckLine | null {
  const { credential } = client.signIn;
  if (credential.kind !== 'sas' || credential.token.expiresAtMs === null) return null;
  const at = new Date(credential.token.expiresAtMs).toISOString();
  const left = credential.token.expiresAtMs - client.now();
  if (left <= 0)
    return line(
      'identity',
      'refused',
      `The shared access signature expired on ${at}.`,
      credential.field,
      'Make a new signature and put it into the connector.',
    );
  const result = left < 24 * 3_600_000 ? 'warning' : 'ok';
  return line(
    'identity',
    result,
    `The shared access signature is valid until ${at}.`,
    result === 'ok' ? null : credential.field,
    null,
  );
}

async function tried(
  settings: CheckSettings,
  what: CheckLine['what'],
  success: string,
  work: () => Promise<unknown>,
): Promise<CheckLine> {
  try {
    await work();
    return line(what, 'ok', success, null, null);
  } catch (thrown) {
    const error = toDroverError(thrown);
    if (error.code === 'CANCELLED') throw error;
    return refusedLine(settings, what, error);
  }
}

function refusedLine(settings: CheckSettings, what: CheckLine['what'], error: DroverError): CheckLine {
  if (error.code === 'UNREACHABLE' || error.code === 'TIMED_OUT') {
    const field = settings.hasEndpointField ? 'endpoint' : 'accountName';
    return line(
      'network',
      'refused',
      error.message,
      field,
      `Check the ${settings.hasEndpointField ? 'endpoint' : 'name of the storage account'}, the network and the proxy.`,
    );
  }
  if (error.code === 'PLACE_NOT_FOUND') return line('container', 'refused', error.message, 'container', error.remedy);
  if (what === 'tags' && (error.code === 'PERMISSION_DENIED' || error.code === 'UNSUPPORTED')) {
    return line(
      'tags',
      'warning',
      `Tags are not available: ${error.message}`,
      null,
      'Grant the role Storage Blob Data Owner, or the permission t of a signature, if tags matter.',
    );
  }
  return line(what, 'refused', error.message, error.field, roleRemedy(settings, what, error));
}

function roleRemedy(settings: CheckSettings, what: CheckLine['what'], error: DroverError): string {
  if (error.code !== 'PERMISSION_DENIED') return error.remedy;
  const { credential, accountName } = settings.client.signIn;
  if (credential.kind === 'sas') {
    const letter = { list: 'l', read: 'r', write: 'c and w', delete: 'd' }[what as 'list'] ?? 'r';
    return `Make a signature with the permission ${letter}, and put it into the field ${credential.field}.`;
  }
  if (credential.kind === 'key') return error.remedy;
  const role = what === 'list' || what === 'read' ? 'Storage Blob Data Reader' : 'Storage Blob Data Contributor';
  const scope = `$(az storage account show --name ${accountName} --query id --output tsv)`;
  return `Grant the role: az role assignment create --role "${role}" --assignee CLIENT_ID --scope "${scope}". It takes up to 30 minutes to work.`;
}

function isFatal(listed: CheckLine): boolean {
  if (listed.result !== 'refused') return false;
  return (
    listed.what === 'network' || listed.what === 'container' || (listed.field !== null && listed.field !== 'container')
  );
}

/** Read-only and write-only are healthy; what such a connector cannot be used for is said. */
function summary(results: readonly CheckLine[], use: Use): CheckLine {
  const works = (what: CheckLine['what']) => results.some((result) => result.what === what && result.result === 'ok');
  const reads = works('list') && !results.some((result) => result.what === 'read' && result.result === 'refused');
  const writes = works('write');
  if (use !== 'write' && use !== 'read' && reads && writes)
    return line('fact', 'ok', 'It can be a source and a target.', null, null);
  if (use === 'read') return readLine(reads);
  if (writes && !works('list')) {
    return line(
      'fact',
      'warning',
      'It can only be written to: without the right to list, a copy cannot see what is there already.',
      null,
      null,
    );
  }
  if (writes) return line('fact', 'ok', 'It can be a target.', null, null);
  return reads
    ? line(
        'fact',
        use === 'both' ? 'ok' : 'refused',
        'It can be a source, but not a target: nothing can be written.',
        null,
        null,
      )
    : readLine(false);
}

function readLine(reads: boolean): CheckLine {
  return reads
    ? line('fact', 'ok', 'It can be a source.', null, null)
    : line('fact', 'refused', 'It can be neither listed nor read.', null, null);
}

async function readOne(
  client: BlobClient,
  place: Place,
  blob: string,
  sizeBytes: number,
  signal: AbortSignal,
): Promise<void> {
  await client.sendAndDiscard({
    method: 'GET',
    operation: 'GET',
    container: place.container,
    blob,
    headers: sizeBytes > 0 ? { 'x-ms-range': 'bytes=0-0' } : {},
    signal,
    accepts: [200, 206],
  });
}

async function readTagsOf(client: BlobClient, place: Place, blob: string, signal: AbortSignal): Promise<void> {
  await client.sendAndDiscard({
    method: 'GET',
    operation: 'TAGS',
    container: place.container,
    blob,
    query: { comp: 'tags' },
    signal,
    accepts: [200],
  });
}

interface Probe {
  readonly client: BlobClient;
  readonly container: string;
  readonly blob: string;
  readonly versions: TrialVersions;
  readonly signal: AbortSignal;
}

async function putProbe({ client, versions, ...where }: Probe, headers: Record<string, string>): Promise<void> {
  const answer = await client.sendAndDiscard({
    ...where,
    method: 'PUT',
    operation: 'PUT',
    headers: { ...headers, 'x-ms-blob-type': 'BlockBlob' },
    body: { sizeBytes: PROBE_CONTENT.length, content: PROBE_CONTENT },
    accepts: [201],
  });
  versions.notice(answer);
}

/** Permission is looked at before existence here, too. */
async function tagNothing({ client, versions: _, ...where }: Probe): Promise<void> {
  await client.sendAndDiscard({
    ...where,
    method: 'PUT',
    operation: 'TAGS',
    query: { comp: 'tags' },
    headers: { 'content-type': 'application/xml; charset=UTF-8' },
    body: textBody(tagsDocument({ drover: 'probe' })),
    accepts: [204, 404],
  });
}

async function stageProbe({ client, versions: _, ...where }: Probe): Promise<void> {
  const id = blockId({ runId: 'checkprobe', startedAtMs: 0 }, 0, null, READABLE_LENGTH);
  await client.sendAndDiscard({
    ...where,
    method: 'PUT',
    operation: 'PART',
    query: { comp: 'block', blockid: id },
    body: { sizeBytes: PROBE_CONTENT.length, content: PROBE_CONTENT },
    accepts: [201],
  });
}

/** Permission is looked at before existence, so a blob that is not there answers the question too. */
async function deleteProbe({ client, versions: _, ...where }: Probe): Promise<void> {
  await client.sendAndDiscard({ ...where, method: 'DELETE', operation: 'DELETE', accepts: [202, 404] });
}

function line(
  what: CheckLine['what'],
  result: CheckLine['result'],
  message: string,
  field: string | null,
  remedy: string | null,
): CheckLine {
  return { what, result, message, field, remedy };
}
