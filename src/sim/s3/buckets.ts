/** Buckets: making, listing, looking at, versioning. */

import type { SimResponse } from '../http.ts';
import { SortedMap, compareBytes, compareUnits } from '../order.ts';
import { branch, childText, document, leaf } from '../xml.ts';
import type { BucketCall, Call } from './call.ts';
import { S3_XMLNS, bodyXml, emptyResponse, isoTime, numberParameter, permit, xmlResponse } from './call.ts';
import { S3Error } from './error.ts';
import { demand } from './permission.ts';
import type { Bucket, S3World } from './state.ts';
import { SSE_S3 } from './state.ts';

export function makeBucket(world: S3World, name: string, region: string, ownerId: string): Bucket {
  const bucket: Bucket = {
    name,
    region,
    ownerId,
    createdAtMs: world.nowMs(),
    versioning: 'off',
    requesterPays: false,
    sharedWith: [],
    publicRead: false,
    redirectsTemporarily: false,
    defaultEncryption: SSE_S3,
    retainsAll: false,
    objects: new SortedMap(world.options.order === 'units' ? compareUnits : compareBytes),
    uploads: new Map(),
  };
  world.buckets.set(name, bucket);
  return bucket;
}

export function createBucket(call: Call, name: string): SimResponse {
  demand(call.identity, null, 's3:CreateBucket', name);
  const valid =
    /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name) && !name.includes('..') && !/^\d+\.\d+\.\d+\.\d+$/.test(name);
  if (!valid)
    throw new S3Error('InvalidBucketName', 'The specified bucket is not valid.', { fields: { BucketName: name } });
  const constraint =
    call.body.length === 0 ? '' : (childText(bodyXml(call, 'CreateBucketConfiguration'), 'LocationConstraint') ?? '');
  const region = constraint === '' ? 'us-east-1' : constraint === 'EU' ? 'eu-west-1' : constraint;
  if (
    call.world.dialect === 'aws' &&
    (region !== call.region || (constraint !== '' && !call.world.regions.includes(region)))
  ) {
    throw new S3Error(
      'IllegalLocationConstraintException',
      `The ${constraint || 'unspecified'} location constraint is incompatible for the region specific endpoint this request was sent to.`,
    );
  }
  const existing = call.world.buckets.get(name);
  if (existing !== undefined) {
    if (existing.ownerId !== call.identity!.accountId) {
      throw new S3Error(
        'BucketAlreadyExists',
        'The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.',
      );
    }
    if (existing.region === 'us-east-1' && region === 'us-east-1') return emptyResponse(200, { location: `/${name}` });
    throw new S3Error(
      'BucketAlreadyOwnedByYou',
      'Your previous request to create the named bucket succeeded and you already own it.',
    );
  }
  makeBucket(
    call.world,
    name,
    call.world.dialect === 'aws' ? region : call.world.regions[0]!,
    call.identity!.accountId,
  );
  return emptyResponse(200, { location: `/${name}` });
}

export function deleteBucket(call: BucketCall): SimResponse {
  permit(call, 's3:DeleteBucket');
  if (call.bucket.objects.size > 0) throw new S3Error('BucketNotEmpty', 'The bucket you tried to delete is not empty');
  call.world.buckets.delete(call.bucket.name);
  return emptyResponse(204);
}

export function headBucket(call: BucketCall): SimResponse {
  permit(call, 's3:ListBucket');
  return emptyResponse(200, { 'x-amz-bucket-region': call.bucket.region, 'content-type': 'application/xml' });
}

export function listBuckets(call: Call): SimResponse {
  demand(call.identity, null, 's3:ListAllMyBuckets');
  const asked = ['max-buckets', 'continuation-token', 'prefix', 'bucket-region'].some((name) => call.query.has(name));
  const max = numberParameter(call, 'max-buckets', 10_000, 10_000);
  const prefix = call.query.get('prefix') ?? '';
  const region = call.query.get('bucket-region');
  if (region !== null && region !== call.region) {
    throw new S3Error('InvalidArgument', `Argument value ${region} is not a valid AWS Region for this endpoint`, {
      fields: { ArgumentName: 'bucket-region' },
    });
  }
  const token = call.query.get('continuation-token');
  const after = token === null ? '' : Buffer.from(token, 'base64').toString('utf8');
  const mine = [...call.world.buckets.entries()]
    .map(([, bucket]) => bucket)
    .filter(
      (b) =>
        b.ownerId === call.identity!.accountId &&
        b.name.startsWith(prefix) &&
        b.name > after &&
        (region === null || b.region === region),
    );
  const page = mine.slice(0, max);
  const more = page.length < mine.length;
  const xml = document(
    `ListAllMyBucketsResult ${S3_XMLNS}`,
    branch('Owner', leaf('ID', call.identity!.accountId)),
    branch(
      'Buckets',
      page.map((bucket) =>
        branch(
          'Bucket',
          leaf('Name', bucket.name),
          leaf('CreationDate', isoTime(bucket.createdAtMs)),
          asked ? leaf('BucketRegion', bucket.region) : '',
        ),
      ),
    ),
    more ? leaf('ContinuationToken', Buffer.from(page.at(-1)!.name).toString('base64')) : '',
    asked && prefix !== '' ? leaf('Prefix', prefix) : '',
  );
  return xmlResponse(xml);
}

export function bucketLocation(call: BucketCall): SimResponse {
  permit(call, 's3:GetBucketLocation');
  const region = call.bucket.region === 'us-east-1' ? '' : call.bucket.region;
  return xmlResponse(document(`LocationConstraint ${S3_XMLNS}`, region));
}

export function getVersioning(call: BucketCall): SimResponse {
  permit(call, 's3:GetBucketVersioning');
  const state = call.bucket.versioning === 'off' ? '' : leaf('Status', call.bucket.versioning);
  return xmlResponse(document(`VersioningConfiguration ${S3_XMLNS}`, state));
}

export function putVersioning(call: BucketCall): SimResponse {
  permit(call, 's3:PutBucketVersioning');
  const status = childText(bodyXml(call, 'VersioningConfiguration'), 'Status');
  if (status !== 'Enabled' && status !== 'Suspended') {
    throw new S3Error(
      'MalformedXML',
      'The XML you provided was not well-formed or did not validate against our published schema',
    );
  }
  call.bucket.versioning = status;
  return emptyResponse(200);
}

export function requestPayment(call: BucketCall): SimResponse {
  permit(call, 's3:GetBucketRequestPayment');
  const payer = call.bucket.requesterPays ? 'Requester' : 'BucketOwner';
  return xmlResponse(document(`RequestPaymentConfiguration ${S3_XMLNS}`, leaf('Payer', payer)));
}
