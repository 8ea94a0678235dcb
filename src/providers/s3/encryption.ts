/** Headers that make the store encrypt what is written, or decrypt what is read with a key of our own. */
import { createHash } from 'node:crypto';
import type { S3Settings } from './fields.ts';

type Keys = Pick<S3Settings, 'encryption' | 'kmsKeyId' | 'customerKey'>;

/** For creating objects and uploads. */
export function encryptionOfWrite(settings: Keys): Record<string, string> {
  switch (settings.encryption) {
    case 'none':
      return {};
    case 'SSE-S3':
      return { 'x-amz-server-side-encryption': 'AES256' };
    case 'SSE-KMS':
      return {
        'x-amz-server-side-encryption': 'aws:kms',
        ...(settings.kmsKeyId === null ? {} : { 'x-amz-server-side-encryption-aws-kms-key-id': settings.kmsKeyId }),
      };
    case 'SSE-C':
      return encryptionOfRead(settings);
  }
}

/** For GET, HEAD and parts: only a customer's key must be shown again. */
export function encryptionOfRead(settings: Keys): Record<string, string> {
  return customerHeaders(settings, 'x-amz-server-side-encryption-customer');
}

export function encryptionOfCopySource(settings: Keys): Record<string, string> {
  return customerHeaders(settings, 'x-amz-copy-source-server-side-encryption-customer');
}

function customerHeaders(settings: Keys, name: string): Record<string, string> {
  if (settings.encryption !== 'SSE-C' || settings.customerKey === null) return {};
  const key = Buffer.from(settings.customerKey, 'base64');
  return {
    [`${name}-algorithm`]: 'AES256',
    [`${name}-key`]: key.toString('base64'),
    [`${name}-key-md5`]: createHash('md5').update(key).digest('base64'),
  };
}
