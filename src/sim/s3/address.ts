/** What host and path name: service, region, bucket and key. */

import { decodePercent } from '../http.ts';
import { S3Error } from './error.ts';

export interface Address {
  readonly service: 's3' | 'sts';
  /** Region that the host itself names; `null` for hosts of no region. */
  readonly region: string | null;
  readonly bucket: string | null;
  readonly key: string | null;
}

export function readAddress(host: string, rawPath: string, virtualHostBases: readonly string[]): Address {
  const name = host.toLowerCase().replace(/:\d+$/, '');
  const path = decodePercent(rawPath);
  if (path === null || !path.startsWith('/')) throw new S3Error('InvalidURI', "Couldn't parse the specified URI.");
  if (/^sts[.-]/.test(name))
    return { service: 'sts', region: /^sts\.([a-z0-9-]+)\.amazonaws/.exec(name)?.[1] ?? null, bucket: null, key: null };
  const hosted = hostedBucket(name, virtualHostBases);
  if (hosted.bucket !== null) {
    return { service: 's3', region: hosted.region, bucket: hosted.bucket, key: path === '/' ? null : path.slice(1) };
  }
  const slash = path.indexOf('/', 1);
  const bucket = slash < 0 ? path.slice(1) : path.slice(1, slash);
  const key = slash < 0 || slash === path.length - 1 ? null : path.slice(slash + 1);
  return { service: 's3', region: hosted.region, bucket: bucket === '' ? null : bucket, key };
}

const AMAZON = /^(?:(.+)\.)?s3(?:-fips)?(?:\.dualstack)?(?:[.-]([a-z]{2}(?:-[a-z]+)+-\d))?\.amazonaws\.com(?:\.cn)?$/;
const PRIVATE_LINK =
  /^(?:(.+)\.)?(?:bucket|accesspoint|\*)?\.?vpce-[0-9a-z-]+\.s3\.([a-z0-9-]+)\.vpce\.amazonaws\.com$/;

function hostedBucket(name: string, bases: readonly string[]): { bucket: string | null; region: string | null } {
  const link = PRIVATE_LINK.exec(name);
  if (link !== null) {
    const first = link[1] === 'bucket' ? null : (link[1]?.replace(/\.bucket$/, '') ?? null);
    return { bucket: first, region: link[2]! };
  }
  const amazon = AMAZON.exec(name);
  if (amazon !== null) return { bucket: amazon[1] ?? null, region: amazon[2] ?? 'us-east-1' };
  const base = bases.find((candidate) => name.endsWith(`.${candidate}`));
  return { bucket: base === undefined ? null : name.slice(0, -base.length - 1), region: null };
}
