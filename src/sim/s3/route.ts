/** Which operation a request is. */

import type { SimResponse } from '../http.ts';
import {
  bucketLocation,
  createBucket,
  deleteBucket,
  getVersioning,
  headBucket,
  listBuckets,
  putVersioning,
  requestPayment,
} from './buckets.ts';
import type { BucketCall, Call, ObjectCall } from './call.ts';
import { S3Error } from './error.ts';
import { listObjectsV1, listObjectsV2, listVersions } from './list.ts';
import { abortUpload, completeUpload, createUpload, uploadPart } from './multipart.ts';
import { objectAttributes, readObject } from './read.ts';
import { deleteObject, deleteObjects, restoreObject } from './remove.ts';
import { listParts, listUploads } from './upload-lists.ts';
import { copyObject, deleteTagging, getTagging, putObject, putTagging } from './write.ts';

type Table<C> = readonly (readonly [method: string, parameter: string | null, run: (call: C) => SimResponse])[];

const BUCKET_TABLE: Table<BucketCall> = [
  ['GET', 'location', bucketLocation],
  ['GET', 'versioning', getVersioning],
  ['PUT', 'versioning', putVersioning],
  ['GET', 'requestPayment', requestPayment],
  ['GET', 'uploads', listUploads],
  ['GET', 'versions', listVersions],
  ['POST', 'delete', deleteObjects],
  ['HEAD', null, headBucket],
  ['DELETE', null, deleteBucket],
  ['GET', null, (call) => (call.query.get('list-type') === '2' ? listObjectsV2(call) : listObjectsV1(call))],
];

const OBJECT_TABLE: Table<ObjectCall> = [
  ['GET', 'uploadId', listParts],
  ['PUT', 'uploadId', uploadPart],
  ['POST', 'uploadId', completeUpload],
  ['DELETE', 'uploadId', abortUpload],
  ['POST', 'uploads', createUpload],
  ['POST', 'restore', restoreObject],
  ['GET', 'tagging', getTagging],
  ['PUT', 'tagging', putTagging],
  ['DELETE', 'tagging', deleteTagging],
  ['GET', 'attributes', objectAttributes],
  ['HEAD', null, readObject],
  ['GET', null, readObject],
  ['DELETE', null, deleteObject],
  ['PUT', null, (call) => (call.headers['x-amz-copy-source'] === undefined ? putObject(call) : copyObject(call))],
];

/** Parameters that would make a request something that is not simulated. */
const FOREIGN = [
  'acl',
  'policy',
  'cors',
  'lifecycle',
  'encryption',
  'website',
  'notification',
  'replication',
  'object-lock',
  'retention',
  'legal-hold',
  'torrent',
  'select',
  'inventory',
  'logging',
  'accelerate',
  'ownershipControls',
  'publicAccessBlock',
  'policyStatus',
  'analytics',
  'metrics',
  'intelligent-tiering',
];

function dispatch<C extends Call>(call: C, table: Table<C>): SimResponse {
  const foreign = FOREIGN.find((name) => call.query.has(name));
  if (foreign !== undefined)
    throw new S3Error(
      'NotImplemented',
      `A parameter you provided implies functionality that is not implemented: ${foreign}`,
    );
  const row = table.find(
    ([method, parameter]) => method === call.request.method && (parameter === null || call.query.has(parameter)),
  );
  if (row === undefined)
    throw new S3Error('MethodNotAllowed', 'The specified method is not allowed against this resource.');
  return row[2](call);
}

export function routeService(call: Call): SimResponse {
  if (call.request.method !== 'GET')
    throw new S3Error('MethodNotAllowed', 'The specified method is not allowed against this resource.');
  return listBuckets(call);
}

export function routeBucket(call: Call, name: string, inner: BucketCall | null): SimResponse {
  if (call.request.method === 'PUT' && call.query.entries.length === 0) return createBucket(call, name);
  return inner === null ? noSuchBucket(name) : dispatch(inner, BUCKET_TABLE);
}

export function noSuchBucket(name: string): never {
  throw new S3Error('NoSuchBucket', 'The specified bucket does not exist', { fields: { BucketName: name } });
}

export function routeObject(call: ObjectCall): SimResponse {
  return dispatch(call, OBJECT_TABLE);
}
