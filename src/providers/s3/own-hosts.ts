/** Which addresses are Amazon's own, and what would go to others. Pure. */
import type { Config } from '../../contract/fields.ts';
import { settingsOf, type S3Settings } from './fields.ts';

/**
 * Hosts of S3 and of STS alone: under `amazonaws.com` anybody can have a machine or a gateway of their own. With
 * regions, dual stack, FIPS, buckets in front and private endpoints, in all partitions.
 */
const OWN =
  /(?:^|\.)(?:s3|sts)(?:-fips)?(?:[.-](?:dualstack\.)?[a-z]{2}(?:-[a-z]+)+-\d)?(?:\.vpce)?\.(?:amazonaws\.com(?:\.cn)?|api\.aws|api\.amazonwebservices\.com\.cn)$/;

/** The machine's own identity, keys of its environment and files, and tokens in files: nobody typed them in. */
export function credentialsReach(config: Config): readonly { readonly field: string; readonly url: URL }[] {
  const settings = settingsOf(config);
  if (!usesMachine(settings)) return [];
  return (['endpoint', 'stsEndpoint'] as const).flatMap((field) => {
    const url = URL.parse(settings[field] ?? '');
    return url === null || isOwn(url) ? [] : [{ field, url }];
  });
}

function usesMachine(settings: S3Settings): boolean {
  const { authorization, accessKeyId, secretAccessKey } = settings;
  if (authorization === 'web-identity' || authorization === 'chain') return true;
  return accessKeyId === null || secretAccessKey === null;
}

function isOwn(url: URL): boolean {
  return url.protocol === 'https:' && OWN.test(url.hostname);
}
