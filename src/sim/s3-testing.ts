/** A small world around the simulated S3 for its tests. */
import { createHash } from 'node:crypto';
import type { SimResponse } from './http.ts';
import { collect } from './http.ts';
import type { S3Service } from './s3-service.ts';
import { createS3Service } from './s3-service.ts';
import type { AwsRequest, AwsSignature } from './test-signing.ts';
import { awsSigned } from './test-signing.ts';
import type { SimClock } from './world.ts';
import { seededRandom, simClock } from './world.ts';

export let clock: SimClock;
export let s3: S3Service;
export let alice: AwsSignature;

export const ROLE = 'arn:aws:iam::111111111111:role/mover';

export function open(dialect: 'aws' | 'rgw' = 'aws'): S3Service {
  return createS3Service({
    clock,
    random: seededRandom(1),
    dialect,
    partBytesMin: 5,
    continuationTokenLifetimeMs: 60_000,
    virtualHostBases: ['s3.test'],
    webTokens: { jwt: { issuer: 'https://id.test', audience: 'aws', subject: 'me', expiresAtMs: clock.now() + 1000 } },
    accounts: [
      {
        accountId: '111111111111',
        users: [
          { name: 'alice', accessKeyId: 'AKALICE', secretAccessKey: 'as' },
          {
            name: 'narrow',
            accessKeyId: 'AKNARROW',
            secretAccessKey: 'ns',
            grants: [{ actions: ['s3:ListBucket', 's3:GetObject'], buckets: ['one'], prefix: 'team/' }],
          },
        ],
        roles: [
          {
            name: 'mover',
            trustedPrincipals: ['arn:aws:iam::111111111111:user/alice', 'arn:aws:iam::111111111111:role/mover'],
            externalId: 'right',
            maxSessionSeconds: 7200,
            webIdentity: { issuer: 'https://id.test', audience: 'aws', subject: 'me' },
          },
        ],
      },
      { accountId: '222222222222', users: [{ name: 'bob', accessKeyId: 'AKBOB', secretAccessKey: 'bs' }] },
    ],
  });
}

/** A new world; the exports above are then those of this world. */
export function fresh(dialect: 'aws' | 'rgw' = 'aws'): void {
  clock = simClock();
  s3 = open(dialect);
  s3.createBucket('one');
  alice = { id: 'AKALICE', secret: 'as', nowMs: clock.now() };
}

export const ask = (want: AwsRequest, by: Partial<AwsSignature> = {}): Promise<SimResponse> =>
  s3.handle(awsSigned({ ...alice, nowMs: clock.now(), ...by }, want));
export const text = (response: SimResponse): string => collect(response.body).toString('utf8');
export const code = (response: SimResponse): string | undefined => /<Code>(\w+)<\/Code>/.exec(text(response))?.[1];
export const b64 = (kind: string, data: string): string => createHash(kind).update(data).digest('base64');
export const get = (
  key: string,
  headers: Record<string, string> = {},
  query: Record<string, string> = {},
): Promise<SimResponse> => ask({ method: 'GET', path: `/one/${key}`, headers, query });
export const put = (key: string, body: string, headers: Record<string, string> = {}): Promise<SimResponse> =>
  ask({ method: 'PUT', path: `/one/${key}`, body, headers });
