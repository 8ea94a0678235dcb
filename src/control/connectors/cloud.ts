/** A connector that stands for a whole AWS account or organization: what is asked of it. */
import { sql } from 'kysely';
import { DroverError } from '../../model/errors.ts';
import type { CloudAccount, Tags } from '../entities.ts';
import type { ConnectorInput } from '../services.ts';
import type { Tx } from '../world.ts';
import type { CloudRow } from './rows.ts';

const MINUTE_MS = 60_000;
export const SYNC_MINUTES_MIN = 15;
const SYNC_MINUTES_MAX = 30 * 24 * 60;
const REGIONS_MAX = 100;

/** As it was given with a new connector; `null` for one that does not stand for a whole account. */
export function cloudOf({ cloud, provider }: ConnectorInput): CloudRow | null {
  return cloud === undefined || cloud === null ? null : checkCloud(cloud, provider);
}

/** INVALID_INPUT at `cloud.…`. */
export function checkCloud(given: NonNullable<ConnectorInput['cloud']>, providerId: string): CloudRow {
  if (providerId !== 's3') {
    throw wrong('cloud', 'Only Amazon S3 connectors can stand for a whole cloud account with an inventory.');
  }
  if (!/^\d{12}$/.test(given.accountId)) {
    throw wrong('cloud.accountId', 'Give the ID of the AWS account: 12 digits, such as 123456789012.');
  }
  if (!['single', 'organization'].includes(given.accountType)) {
    throw wrong('cloud.accountType', 'Choose a single account or an organization.');
  }
  checkSolutions(given.solutions);
  if (given.services.length !== 1 || given.services[0] !== 's3') {
    throw wrong('cloud.services', 'Drover takes inventory of S3 only; choose exactly this service.');
  }
  if (!['read', 'read-restore', 'read-write'].includes(given.permission)) {
    throw wrong('cloud.permission', 'Choose read, read and restore, or read and write.');
  }
  return {
    accountType: given.accountType,
    accountId: given.accountId,
    solutions: given.solutions,
    services: ['s3'],
    permission: given.permission,
    regions: checkRegions(given.regions),
    syncEveryMinutes: checkInterval(given.syncEveryMinutes),
    lastSyncAt: null,
    lastSyncError: null,
  };
}

function checkSolutions(solutions: readonly string[]): void {
  const field = 'cloud.solutions';
  const unknown = solutions.find((each) => each !== 'inventory' && each !== 'storage-data-management');
  if (unknown !== undefined) {
    throw wrong(field, `There is no solution "${unknown}"; there are inventory and storage-data-management.`);
  }
  if (new Set(solutions).size !== solutions.length) throw wrong(field, 'A solution is named twice.');
  if (solutions[0] === 'inventory') return;
  const message = solutions.includes('inventory')
    ? 'Inventory comes first: Storage - Data Management works on what it finds.'
    : 'Add Inventory first: Storage - Data Management works on what it finds.';
  throw wrong(field, message);
}

/** Whether its solutions let it be read from and written to, and not only be looked at. */
export function movesObjects({ solutions }: Pick<CloudRow, 'solutions'>): boolean {
  return solutions.includes('storage-data-management');
}

function checkRegions(regions: readonly string[] | null): readonly string[] | null {
  if (regions === null) return null;
  const field = 'cloud.regions';
  if (regions.length === 0) throw wrong(field, 'Name at least one region, or leave the filter out for all of them.');
  if (regions.length > REGIONS_MAX) throw wrong(field, `Name at most ${REGIONS_MAX} regions.`);
  const odd = regions.find((region) => !/^[a-z]{2}(-[a-z]+)+-\d+$/.test(region));
  if (odd !== undefined) throw wrong(field, `"${odd}" is no region; an example: eu-central-1.`);
  return [...new Set(regions)].toSorted();
}

function checkInterval(minutes: number | null): number | null {
  if (minutes === null) return null;
  if (Number.isInteger(minutes) && minutes >= SYNC_MINUTES_MIN && minutes <= SYNC_MINUTES_MAX) return minutes;
  throw wrong(
    'cloud.syncEveryMinutes',
    `Give a whole number of minutes from ${SYNC_MINUTES_MIN} to ${SYNC_MINUTES_MAX}, or nothing to look only once.`,
  );
}

/** INVALID_INPUT when the credentials belong to another account than the one that was named. */
export function checkAccountId(cloud: CloudRow, seen: string | null): void {
  if (seen === null || seen === cloud.accountId) return;
  throw wrong(
    'cloud.accountId',
    `The credentials belong to the account ${seen}, and not to ${cloud.accountId}. Correct the ID or use other credentials.`,
  );
}

const TAGS_MAX = 50;
const TAG_TEXT = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;

/** As AWS takes them, because they also go into its templates. INVALID_INPUT at `tags`. */
export function checkTags(tags: Tags): Tags {
  const entries = Object.entries(tags);
  if (entries.length > TAGS_MAX) throw wrong('tags', `Give at most ${TAGS_MAX} tags.`);
  for (const [name, value] of entries) {
    if (name === '' || name.length > 128) throw wrong('tags', 'The name of a tag has 1 to 128 characters.');
    if (name.includes('=')) throw wrong('tags', `Leave the "=" out of the name of the tag "${name}".`);
    if (value.length > 256) throw wrong('tags', `The value of the tag "${name}" has at most 256 characters.`);
    if (/^aws:/i.test(name)) throw wrong('tags', 'Names of tags that begin with "aws:" are Amazon’s own.');
    if (!TAG_TEXT.test(name) || !TAG_TEXT.test(value)) {
      throw wrong('tags', `The tag "${name}" may hold letters, digits, spaces and _ . : / = + - @ only.`);
    }
  }
  return tags;
}

export async function keepOutcome(
  tx: Tx,
  connectorId: string,
  outcome: Partial<Pick<CloudAccount, 'lastSyncAt' | 'lastSyncError'>>,
): Promise<void> {
  await sql`UPDATE connectors SET cloud = cloud || ${JSON.stringify(outcome)}::jsonb
    WHERE id = ${connectorId} AND cloud IS NOT NULL`.execute(tx);
}

/** When a connector with these settings is looked at next, after they changed; at once where it never was. */
export function nextSyncAfter(cloud: CloudRow | null, before: CloudRow | null, nowMs: number): Date | null {
  if (cloud === null) return null;
  if (before === null || before.lastSyncAt === null) return new Date(nowMs);
  if (cloud.syncEveryMinutes === null) return null;
  return new Date(Math.max(nowMs, Date.parse(before.lastSyncAt) + cloud.syncEveryMinutes * MINUTE_MS));
}

function wrong(field: string, message: string): DroverError {
  return new DroverError('INVALID_INPUT', message, { field });
}
