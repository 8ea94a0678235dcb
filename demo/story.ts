/** What the demo shows, in order, and what it expects of every step. */
import { ODD_KEYS, sampleObjects, type SampleOptions } from '../src/sim/sample.ts';
import { compareStores, type LogRow } from './readback.ts';
import { startAzurite, startS3, type AzuriteServer, type S3Server, type Video } from './servers.ts';
import type { Stage } from './stage.ts';
import { AzureStore, S3Store } from './stores.ts';

const MIB = 1024 * 1024;

export interface StoryOptions {
  readonly folder: string;
  readonly isSmall: boolean;
  readonly isKept: boolean;
}

interface Scene {
  readonly stage: Stage;
  readonly s3: S3Server;
  readonly azurite: AzuriteServer;
  readonly source: S3Store;
  readonly target: AzureStore;
  readonly sample: Sample;
}

interface Sample {
  readonly options: SampleOptions;
  readonly videos: readonly Video[];
  readonly count: number;
  readonly bytes: number;
  readonly archivedCount: number;
  readonly isSmall: boolean;
  /** What `--bwlimit` lets through, so that there is something to watch. */
  readonly rate: string;
}

interface RunFacts {
  readonly runId: string;
  readonly state: string;
  readonly items: Readonly<Record<string, number>>;
  readonly bytes: Readonly<Record<string, number>>;
  readonly verification: Readonly<Record<string, number>>;
  readonly concessions: readonly { readonly aspect: string; readonly detail: string }[];
}

export async function play(stage: Stage, options: StoryOptions): Promise<void> {
  const beganAtMs = performance.now();
  const scene = await openScene(stage, options);
  await connect(scene);
  const runId = await interrupted(scene);
  const copied = await continued(scene, runId);
  await proved(scene, runId);
  const synced = await followed(scene);
  await guarded(scene);
  const rows = await readBack(scene, synced.runId);
  report(scene, copied, synced, rows);
  const seconds = Math.round((performance.now() - beganAtMs) / 1000);
  stage.row('Took', `${seconds} s`);
  stage.row(
    'Data',
    options.isKept
      ? `kept in ${options.folder}: Azurite's blobs, and Drover's runs and logs under state/drover. Read them with XDG_STATE_HOME=${options.folder}/state bin/drover runs`
      : 'all of it is removed now; npm run demo -- --keep keeps it',
  );
  const { failures } = stage;
  stage.say('');
  stage.tell(
    failures.length === 0
      ? 'Everything went as expected.'
      : `${failures.length} of the expectations above did not hold: ${failures.join('; ')}.`,
  );
}

async function openScene(stage: Stage, { folder, isSmall }: StoryOptions): Promise<Scene> {
  const sample = sampleOf(isSmall);
  stage.part('Two stores on this machine');
  stage.tell(
    'The source is a stand-in for Amazon S3 that comes with Drover: it shows how things go and proves nothing about ' +
      "Amazon's service. The target is Azurite, Microsoft's emulator of Azure Blob Storage. Neither needs a network.",
  );
  await stage.records(['version']);
  const { options, videos } = sample;
  const s3 = await startS3({ bucket: 'photos', emptyBucket: 'empty', options, videos });
  const azurite = await startAzurite(folder);
  const scene: Scene = {
    stage,
    s3,
    azurite,
    source: new S3Store(s3.access),
    target: new AzureStore(azurite.access),
    sample,
  };
  const found = await scene.source.list('photos');
  stage.say('');
  stage.row('Source', `${s3.access.endpoint}, bucket photos: ${found.length} objects, ${mib(sample.bytes)}`);
  stage.row(
    'Among them',
    `${videos.length + 1} large ones in parts; ${ODD_KEYS.length} names that stores stumble over`,
  );
  stage.row('', `headers, metadata, tags, an empty marker; ${sample.archivedCount} archived objects`);
  stage.row('Target', azurite.access.endpoint);
  stage.expect('the bucket holds the whole sample', found.length === sample.count, found.length);
  return scene;
}

function sampleOf(isSmall: boolean): Sample {
  const options: SampleOptions = { files: isSmall ? 60 : 300, largeBytes: (isSmall ? 24 : 96) * MIB, archived: true };
  const videos: Video[] = isSmall
    ? []
    : [
        { key: 'videos/2024/Übersicht – été.mp4', seed: 777, sizeBytes: 80 * MIB + 12_345 },
        { key: 'videos/short.mp4', seed: 778, sizeBytes: 40 * MIB + 1 },
      ];
  const objects = [...sampleObjects(options), ...videos];
  return {
    options,
    videos,
    count: objects.length,
    bytes: objects.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    archivedCount: objects.filter(({ key }) => key.startsWith('archive/')).length,
    isSmall,
    rate: isSmall ? '8MiB' : '32MiB',
  };
}

async function connect({ stage, s3, azurite }: Scene): Promise<void> {
  stage.part('Connectors');
  stage.tell('Accounts are saved once, under a name. The secrets come from the environment here, not from the line.');
  stage.say('');
  const { endpoint, accessKeyId, secretAccessKey } = s3.access;
  const old = await stage.drover(
    ['connector', 'add', 's3', 'old', '--endpoint', endpoint, '--access-key-id', accessKeyId, '--path-style'],
    { environment: { DROVER_CONNECTOR_OLD_SECRET_ACCESS_KEY: secretAccessKey } },
  );
  const { accountName, accountKey, endpoint: blobs } = azurite.access;
  const fresh = await stage.drover(
    ['connector', 'add', 'azure-blob', 'new', '--account-name', accountName, '--endpoint', blobs],
    { environment: { DROVER_CONNECTOR_NEW_ACCOUNT_KEY: accountKey } },
  );
  const made = await stage.drover(['mkbucket', 'new:archive']);
  const exits = [old.exit, fresh.exit, made.exit];
  stage.expect(
    'both accounts work, and the container is there',
    exits.every((exit) => exit === 0),
    exits,
  );
}

function copyWords({ sample }: Scene): string[] {
  return ['copy', 'old:photos', 'new:archive', '--bwlimit', sample.rate];
}

/** The run that is open after the kill. */
async function interrupted(scene: Scene): Promise<string> {
  const { stage, s3, sample } = scene;
  stage.part('Copy, and kill -9 on the way');
  stage.tell(`The rate is limited to ${sample.rate} in a second, so that there is something to watch.`);
  stage.say('');
  const before = s3.sentBytes;
  let killing: Promise<number> | null = null;
  const killed = await stage.drover(copyWords(scene), {
    killer: (processId) => (killing = s3.killWhenSent(before + sample.bytes * 0.6, processId)),
  });
  const isKilled = killed.signal === 'SIGKILL';
  stage.expect('the process was killed before it was done', isKilled, killed);
  const sent = (isKilled && killing !== null ? await (killing as Promise<number>) : s3.sentBytes) - before;
  const share = Math.round((100 * sent) / sample.bytes);
  stage.expect(`${share} % of the bytes had left the source by then`, share >= 40 && share < 95);
  stage.say('');
  await stage.drover(['runs']);
  const open = await newestRun(stage);
  stage.expect(`run ${open.runId} was interrupted, and is not over`, open.state === 'interrupted', open.state);
  return open.runId;
}

async function continued(scene: Scene, runId: string): Promise<RunFacts> {
  const { stage, s3, sample } = scene;
  stage.part('The same command continues');
  const before = s3.sentBytes;
  const { exit } = await stage.drover(copyWords(scene));
  const sent = s3.sentBytes - before;
  const run = await newestRun(stage);
  const { items } = run;
  stage.expect('the exit code is 0', exit === 0, exit);
  stage.expect(`it is the same run, ${runId}`, run.runId === runId, run.runId);
  // The small sample fits into the parts that are under way at one time, so that none of them was done.
  if (!sample.isSmall) {
    stage.expect(`it read ${mib(sent)} more, not all of the ${mib(sample.bytes)} again`, sent < sample.bytes * 0.8);
  }
  stage.expect(`all ${sample.count} objects were looked at`, items['scanned'] === sample.count, items);
  stage.expect(
    `${sample.archivedCount} archived ones could not be copied, and are named; nothing failed`,
    items['unsupported'] === sample.archivedCount && items['failed'] === 0,
    items,
  );
  stage.expect(
    'all others are at the target',
    (items['copied'] ?? 0) + (items['same'] ?? 0) === sample.count - sample.archivedCount,
    items,
  );
  stage.expect('not one of them rests on its size alone', run.verification['V0'] === 0, run.verification);
  stage.say('');
  await stage.drover(['runs', 'log', runId, '--result', 'unsupported']);
  return run;
}

async function proved({ stage, sample }: Scene, runId: string): Promise<void> {
  stage.part('Proof');
  const verified = await stage.drover(['verify', runId]);
  const checked = await stage.drover(['check', 'old:photos', 'new:archive']);
  const facts = await newestRun(stage);
  stage.expect('verify finds everything as it was recorded', verified.exit === 0, verified.exit);
  stage.expect(
    'check finds both sides equal but for the archived objects',
    checked.exit === 0 || (checked.exit === 4 && countOf(checked.stdout) === sample.archivedCount),
    [checked.exit, facts],
  );
}

async function followed(scene: Scene): Promise<RunFacts> {
  const { stage, source, target } = scene;
  stage.part('The source changes, and sync follows');
  const gone = ['documents/file-000002.json', 'logs/app/file-000004.bin', 'special/infrequent.dat'];
  const changed = ['photos/2023/file-000000.txt', 'special/metadata.dat'];
  const added = ['new/first.txt', 'new/zwei – 二.txt', 'new/third.bin'];
  for (const key of changed) await source.put('photos', key, Buffer.from(`changed: ${key}`));
  for (const key of added) await source.put('photos', key, Buffer.from(`added: ${key}`));
  for (const key of gone) await source.remove('photos', key);
  stage.tell(
    `At the source, ${changed.length} objects were changed, ${added.length} added and ${gone.length} removed.`,
  );
  stage.say('');
  const { exit } = await stage.drover(['sync', 'old:photos', 'new:archive']);
  const run = await newestRun(stage);
  const { items } = run;
  stage.expect('the exit code is 0', exit === 0, exit);
  stage.expect(
    `it copied those ${changed.length + added.length} and deleted those ${gone.length}, and nothing else`,
    items['copied'] === changed.length + added.length && items['deleted'] === gone.length,
    items,
  );
  const there = new Set(await target.list('archive'));
  stage.expect('what was removed is gone at the target, too', !gone.some((key) => there.has(key)));
  return run;
}

async function guarded({ stage, target }: Scene): Promise<void> {
  stage.part('A guard');
  stage.tell('To sync with an empty source would delete everything. That has to be said explicitly.');
  stage.say('');
  const before = (await target.list('archive')).length;
  const { exit } = await stage.drover(['sync', 'old:empty', 'new:archive']);
  const after = (await target.list('archive')).length;
  stage.expect('it was refused with exit code 6', exit === 6, exit);
  stage.expect(`all ${before} blobs are still there`, after === before, after);
}

async function readBack(scene: Scene, runId: string): Promise<readonly LogRow[]> {
  const { stage, source, target, sample } = scene;
  stage.part('A second opinion');
  stage.tell('Both stores are read to the last byte by plain signed requests, without any code of Drover in between.');
  stage.say('');
  const records = await stage.records(['runs', 'log', runId]);
  const rows = records.filter((record) => record['type'] === 'item') as unknown as LogRow[];
  const compared = await compareStores(
    { store: source, container: 'photos' },
    { store: target, container: 'archive' },
    rows,
  );
  const { equal, different, missing, extra } = compared;
  stage.expect(
    `${equal} objects, ${mib(compared.bytes)}: the SHA-256 of each is the same on both sides`,
    equal === sample.count - sample.archivedCount && different.length === 0,
    { equal, different },
  );
  stage.expect('nothing is missing at the target', missing.length === 0, missing);
  stage.expect('nothing is there that should not be', extra.length === 0, extra);
  return rows;
}

const PROOF_WORDS: Readonly<Record<string, string>> = {
  V3: 'by SHA-256 or stronger',
  V2: 'by CRC',
  V1: 'by MD5',
  V0: 'by size only',
  VM: 'rewritten by the provider',
};

function report({ stage }: Scene, copied: RunFacts, synced: RunFacts, rows: readonly LogRow[]): void {
  stage.part('What it came to');
  for (const [name, run] of [
    ['Copy', copied],
    ['Sync', synced],
  ] as const) {
    const { items, verification } = run;
    const counts = ['scanned', 'copied', 'same', 'unsupported', 'failed', 'deleted'];
    stage.row(name, `run ${run.runId}: ${counts.map((word) => `${items[word]} ${word}`).join(', ')}`);
    const proofs = Object.entries(verification).filter(([, count]) => count > 0);
    stage.row('', `verified: ${proofs.map(([kind, count]) => `${count} ${PROOF_WORDS[kind]} (${kind})`).join(', ')}`);
  }
  const mapped = rows.filter(({ targetKey, key }) => targetKey !== undefined && targetKey !== key);
  stage.row('Other names', `${mapped.length} objects whose names Azure Blob Storage cannot hold, such as`);
  for (const { key, targetKey } of mapped.filter((row) => row.key.length < 30).slice(0, 4)) {
    stage.row('', `${JSON.stringify(key)} → ${JSON.stringify(targetKey)}`);
  }
  for (const { key, code } of rows.filter(({ result }) => result === 'unsupported')) {
    stage.row('Unsupported', `${key}: ${code}`);
  }
  for (const { detail } of copied.concessions) stage.row('Conceded', detail);
  stage.row('Log', `one row for each object: drover runs log ${copied.runId}`);
}

async function newestRun(stage: Stage): Promise<RunFacts> {
  const newest = (await stage.records(['runs', '--limit', '1'])).find(({ type }) => type === 'run');
  if (newest === undefined) throw new Error('There is no run.');
  const counters = newest['counters'] as Pick<RunFacts, 'items' | 'bytes' | 'verification'>;
  return {
    ...counters,
    runId: String(newest['runId']),
    state: String(newest['state']),
    concessions: newest['concessions'] as RunFacts['concessions'],
  };
}

/** The number that a report of differences begins with. */
function countOf(text: string): number {
  return Number(/(\d+) differences?/.exec(text)?.[1] ?? -1);
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`;
}
