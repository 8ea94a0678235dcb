/** Lines of a check of S3: what a refusal is, and what to grant. */
import type { CheckLine, Place } from '../../contract/provider.ts';
import { toDroverError, type DroverError } from '../../model/errors.ts';
import { partitionOf } from './address.ts';
import type { S3Client } from './client.ts';

type Result = CheckLine['result'];

export function line(
  what: CheckLine['what'],
  result: Result,
  message: string,
  more: Partial<CheckLine> = {},
): CheckLine {
  return { what, result, message, field: null, remedy: null, ...more };
}

/** `message` in front of what happened. */
export function refusal(what: CheckLine['what'], message: string, thrown: unknown): CheckLine {
  const error = toDroverError(thrown);
  const result: Result = isAboutRights(error) || error.policy.scope === 'account' ? 'refused' : 'unknown';
  const settled = error.code === 'PLACE_NOT_FOUND' || error.code === 'INVALID_INPUT' ? 'refused' : result;
  return line(what, settled, `${message}: ${error.message}`, { field: fieldOf(error), remedy: error.remedy });
}

export function isAboutRights(error: DroverError): boolean {
  return error.code === 'PERMISSION_DENIED' || error.code === 'UNAUTHENTICATED';
}

function fieldOf(error: DroverError): string | null {
  if (error.field !== null) return error.field;
  if (error.code !== 'UNREACHABLE') return null;
  return /certificate|TLS|SSL/i.test(error.message) ? 'caCertificate' : 'endpoint';
}

export function bucketArn(client: S3Client, { container }: Place): string {
  return `arn:${partitionOf(client.regionOf(container))}:s3:::${container}`;
}

export function objectsArn(client: S3Client, place: Place): string {
  return `${bucketArn(client, place)}/${place.prefix}*`;
}

/** What Drover writes to try something out, in whichever folder; nothing else. */
export function trialsArn(client: S3Client, place: Place): string {
  return `${objectsArn(client, place)}.drover-probe-*`;
}

/** What to grant, where a right is what is missing. */
export function granting(answer: CheckLine, thrown: unknown, actions: string, resource: string): CheckLine {
  if (toDroverError(thrown).code !== 'PERMISSION_DENIED') return answer;
  return { ...answer, remedy: `Grant ${actions} on ${resource}.` };
}
