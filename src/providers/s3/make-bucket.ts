/** Makes a bucket in the connector's region. */
import { escapeXml } from '../../lib/xml.ts';
import { DroverError } from '../../model/errors.ts';
import type { S3Client } from './client.ts';

export async function makeBucket(client: S3Client, name: string, signal: AbortSignal): Promise<'made' | 'existed'> {
  const found = await client
    .run({ method: 'HEAD', bucket: name, key: null, operation: 'HEAD', signal, accept: [404, 403] })
    .catch((thrown: unknown) => {
      // A bucket in a region that cannot be reached from here is there nevertheless; making it will say so.
      if (thrown instanceof DroverError && thrown.code === 'WRONG_REGION') return { status: 403 };
      throw thrown;
    });
  if (found.status >= 200 && found.status < 300) return 'existed';
  const isDefault = client.region === 'us-east-1';
  const text =
    '<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">' +
    `<LocationConstraint>${escapeXml(client.region)}</LocationConstraint></CreateBucketConfiguration>`;
  const body = Buffer.from(text, 'utf8');
  try {
    await client.run({
      method: 'PUT',
      bucket: name,
      key: null,
      headers: isDefault ? {} : { 'content-type': 'application/xml' },
      body: isDefault ? null : { sizeBytes: body.length, content: body },
      operation: 'MAKE',
      signal,
    });
    return 'made';
  } catch (thrown) {
    const isOurs = thrown instanceof DroverError && thrown.details?.['code'] === 'BucketAlreadyOwnedByYou';
    if (isOurs) return 'existed';
    throw thrown;
  }
}
