/** The options of `copy`, `sync` and `check`, and the policy and tuning they become. */
import { Option, type Command } from 'commander';
import type { Tuning } from '../engine/definition.ts';
import { BYTES_IN_FLIGHT_MAX, SEGMENTS_AT_ONCE } from '../engine/limits.ts';
import { parseAge, parseSize } from '../engine/quantities.ts';
import { parseBandwidth } from '../engine/timetable.ts';
import { DroverError } from '../model/errors.ts';
import { DEFAULT_POLICY, type FilterPolicy, type Policy, type RestorePolicy } from '../model/policy.ts';
import { named, parseChoice, parseCount, parseDeleteCap } from './units.ts';

export type TransferCommand = 'copy' | 'sync' | 'check';

/** As commander hands them over: texts, lists of texts, and flags. */
interface RawOptions {
  readonly transfers?: string;
  readonly bwlimit?: string;
  readonly bytesInFlight?: string;
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  readonly minSize?: string;
  readonly maxSize?: string;
  readonly minAge?: string;
  readonly maxAge?: string;
  readonly excludeClass?: readonly string[];
  readonly dryRun?: boolean;
  readonly serverSide?: string;
  readonly targetNewer?: string;
  readonly maxDelete?: string;
  readonly allowEmptySource?: boolean;
  readonly versions?: string | boolean;
  readonly metadata?: string;
  readonly tags?: string;
  readonly restore?: string;
  readonly storageClass?: string;
  readonly acceptSizeOnly?: boolean;
  readonly verify?: string;
  readonly oneWay?: boolean;
  readonly fresh?: boolean;
}

export interface TransferOptions {
  readonly policy: Policy;
  readonly tuning: Tuning;
  /** Do not continue an unfinished run. */
  readonly fresh: boolean;
}

const ACCEPT_SIZE_ONLY = 'objects that could be compared by size alone are fine';

const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

export function addTransferOptions(command: Command, which: TransferCommand): void {
  const writes = which !== 'check';
  command
    .option('--transfers <n>', 'objects in flight; left out, Drover chooses')
    .option('--bwlimit <rate>', 'bytes in a second such as 10MB, or a timetable: "08:00,5MB 18:00,off"')
    .option('--bytes-in-flight <size>', 'content held in memory at most (64MiB)')
    .addOption(list('--include <glob>', 'only keys that match; can be repeated'))
    .addOption(list('--exclude <glob>', 'no keys that match; can be repeated, beats --include'))
    .option('--min-size <size>', 'only objects of at least this size')
    .option('--max-size <size>', 'only objects of at most this size')
    .option('--min-age <age>', 'only objects written at least this long ago (12h, 7d) or until a date (2026-01-31)')
    .option('--max-age <age>', 'only objects written at most this long ago, or since a date')
    .addOption(list('--exclude-class <class>', 'no objects of this storage class; can be repeated'))
    .option('--metadata <how>', 'preserve, refresh (compare and rewrite it too: one request per object) or ignore')
    .option('--tags <how>', 'preserve or ignore')
    .option('--fresh', 'start over instead of continuing an interrupted run');
  if (which === 'check') {
    command
      .option('--one-way', 'do not report what only the target has')
      .option('--verify <how>', 'digest, or read-back: where no digest is known of both sides, read both, and compare')
      .option('--accept-size-only', ACCEPT_SIZE_ONLY);
  }
  if (!writes) return;
  command
    .option('--dry-run', 'say what would be done, and do nothing')
    .option('--server-side <how>', 'auto, never or always: let the stores copy between themselves')
    .option('--target-newer <how>', 'overwrite or skip, when the target is newer than the source')
    .option('--versions [which]', 'all: copy every version, oldest first; current')
    .option('--restore <tier:days>', 'ask for archived objects back, wait, and copy them: Standard:3, Bulk:7')
    .option('--storage-class <class>', 'storage class or tier for new objects; none: as the target has it by itself')
    .option('--verify <how>', 'digest, or read-back: read what was written, or only its size speaks for, and compare')
    .option('--accept-size-only', ACCEPT_SIZE_ONLY);
  if (which === 'sync') {
    command
      .option(
        '--max-delete <cap>',
        'delete nothing if more than this would go: 500, or 10%; 100%: no limit; default: 50%',
      )
      .option('--allow-empty-source', 'the source may be empty, which deletes everything in the target');
  }
}

/** USAGE that names the option for every value that does not fit. `timeZone`: in which a timetable's hours are meant. */
export function readTransferOptions(which: TransferCommand, given: object, timeZone: string): TransferOptions {
  const raw = given as RawOptions;
  const cap =
    raw.maxDelete === undefined
      ? { countMax: null, shareMax: which === 'sync' ? ('default' as const) : null }
      : parseDeleteCap(raw.maxDelete, '--max-delete');
  const policy: Policy = {
    ...DEFAULT_POLICY,
    mode: which === 'copy' ? 'merge' : which === 'sync' ? 'mirror' : 'check',
    dryRun: raw.dryRun === true,
    filter: readFilter(raw),
    versions: readVersions(raw.versions),
    ...readChoices(raw),
    ...(raw.restore === undefined ? {} : { archived: readRestore(raw.restore) }),
    deleteMax: cap.countMax,
    deleteShareMax: cap.shareMax,
    allowEmptySource: raw.allowEmptySource === true,
    oneWay: raw.oneWay === true,
    acceptV0: raw.acceptSizeOnly === true,
    storageClass: raw.storageClass === undefined || raw.storageClass === 'none' ? null : raw.storageClass,
  };
  refuseContradictions(policy);
  return { policy, tuning: readTuning(raw, timeZone), fresh: raw.fresh === true };
}

/**
 * `--versions` may stand alone: without this, commander would take the place that follows for its value.
 * Also what is typed as `--versions all` is joined, so that both spellings are the same.
 */
export function joinOptionalValues(argv: readonly string[]): readonly string[] {
  const joined: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] as string;
    if (word === '--') return [...joined, ...argv.slice(i)];
    if (word !== '--versions') {
      joined.push(word);
      continue;
    }
    const next = argv[i + 1];
    const isValue = next === 'all' || next === 'current';
    joined.push(`--versions=${isValue ? next : 'all'}`);
    if (isValue) i += 1;
  }
  return joined;
}

function list(flags: string, description: string): Option {
  return new Option(flags, description).argParser(collect);
}

function optional<T>(text: string | undefined, option: string, parse: (text: string) => T): T | null {
  return text === undefined ? null : named(text, option, parse);
}

function readFilter(raw: RawOptions): FilterPolicy {
  const youngest = optional(raw.minAge, '--min-age', parseAge);
  const oldest = optional(raw.maxAge, '--max-age', parseAge);
  return {
    include: raw.include ?? [],
    exclude: raw.exclude ?? [],
    sizeBytesMin: optional(raw.minSize, '--min-size', parseSize),
    sizeBytesMax: optional(raw.maxSize, '--max-size', parseSize),
    ageMsMin: youngest?.kind === 'age' ? youngest.ageMs : null,
    ageMsMax: oldest?.kind === 'age' ? oldest.ageMs : null,
    modifiedBeforeMs: youngest?.kind === 'moment' ? youngest.atMs : null,
    modifiedAfterMs: oldest?.kind === 'moment' ? oldest.atMs : null,
    excludeClasses: raw.excludeClass ?? [],
  };
}

function readChoices(raw: RawOptions): Pick<Policy, 'targetNewer' | 'serverSide' | 'metadata' | 'tags' | 'verify'> {
  const { targetNewer, serverSide, metadata, tags, verify } = { ...DEFAULT_POLICY, ...raw };
  return {
    targetNewer: parseChoice(targetNewer, '--target-newer', ['overwrite', 'skip']),
    serverSide: parseChoice(serverSide, '--server-side', ['auto', 'never', 'always']),
    metadata: parseChoice(metadata, '--metadata', ['preserve', 'refresh', 'ignore']),
    verify: parseChoice(verify, '--verify', ['digest', 'read-back']),
    tags: parseChoice(tags, '--tags', ['preserve', 'ignore']),
  };
}

function readVersions(value: string | boolean | undefined): Policy['versions'] {
  if (value === undefined) return DEFAULT_POLICY.versions;
  return value === true ? 'all' : parseChoice(String(value), '--versions', ['all', 'current']);
}

function readRestore(text: string): RestorePolicy {
  const [tier = '', days = ''] = text.split(':');
  return {
    tier: parseChoice(tier, '--restore', ['Standard', 'Bulk', 'Expedited']),
    days: parseCount(days === '' ? '7' : days, '--restore', 1, 365),
  };
}

function readTuning(raw: RawOptions, timeZone: string): Tuning {
  return {
    transfersMax: raw.transfers === undefined ? null : parseCount(raw.transfers, '--transfers', 1, 1024),
    bytesInFlightMax: optional(raw.bytesInFlight, '--bytes-in-flight', parseSize) ?? BYTES_IN_FLIGHT_MAX,
    segmentsMax: SEGMENTS_AT_ONCE,
    bandwidth: optional(raw.bwlimit, '--bwlimit', (text) => parseBandwidth(text, timeZone)),
  };
}

function refuseContradictions({ filter }: Policy): void {
  if (filter.sizeBytesMin !== null && filter.sizeBytesMax !== null && filter.sizeBytesMin > filter.sizeBytesMax) {
    throw new DroverError('USAGE', 'No object can be as large as --min-size and as small as --max-size.', {
      field: '--max-size',
    });
  }
  const { ageMsMin, ageMsMax, modifiedBeforeMs, modifiedAfterMs } = filter;
  const isAgeless = ageMsMin !== null && ageMsMax !== null && ageMsMin > ageMsMax;
  const isMomentless = modifiedBeforeMs !== null && modifiedAfterMs !== null && modifiedAfterMs > modifiedBeforeMs;
  if (isAgeless || isMomentless) {
    throw new DroverError('USAGE', 'No object can be as old as --min-age and as young as --max-age.', {
      field: '--max-age',
    });
  }
}
