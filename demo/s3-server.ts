/**
 * The stand-in for Amazon S3 of the demo, in a process of its own: our simulated service behind a socket. It says how
 * many bytes of objects it gave away, and ends with whoever started it.
 */
import { systemClock, systemRandom } from '../src/lib/system.ts';
import { createS3Service } from '../src/sim/s3-service.ts';
import type { S3Service } from '../src/sim/s3-service.ts';
import { plantSample } from '../src/sim/sample.ts';
import { serveOnLoopback } from '../src/sim/serve.ts';
import type { SimBody, SimService } from '../src/sim/http.ts';
import type { S3Order, S3Setting } from './servers.ts';

const REPORT_EVERY_BYTES = 512 * 1024;

process.on('disconnect', () => process.exit(0));
// Ctrl-C reaches the whole group; whoever started this ends it when it is done with it.
process.on('SIGINT', () => undefined);
process.on('SIGHUP', () => undefined);

const setting = JSON.parse(process.argv[2] ?? '{}') as S3Setting;
const service = createS3Service({
  clock: systemClock,
  random: systemRandom,
  accounts: [
    {
      accountId: '111122223333',
      users: [{ name: 'demo', accessKeyId: setting.accessKeyId, secretAccessKey: setting.secretAccessKey }],
    },
  ],
});
let killing: S3Order['kill'];
if (setting.sample !== null) plant(service, setting.sample);
const served = await serveOnLoopback(counting(service));
process.on('message', ({ removeBucket, kill }: S3Order) => {
  if (removeBucket !== undefined) {
    service.removeBucket(removeBucket);
    process.send?.({ removedBucket: removeBucket });
  }
  killing = kill ?? killing;
});
process.send?.({ origin: served.origin });

function plant(into: S3Service, sample: NonNullable<S3Setting['sample']>): void {
  into.createBucket(sample.bucket);
  into.createBucket(sample.emptyBucket);
  plantSample(into, sample.bucket, sample.options);
  for (const { key, seed, sizeBytes } of sample.videos) {
    const headers = { 'content-type': 'video/mp4' };
    into.putGenerated(sample.bucket, key, seed, sizeBytes, { headers, partBytes: 8 * 1024 * 1024 });
  }
}

function counting(inner: SimService): SimService {
  let sentBytes = 0;
  let reportedBytes = 0;
  const count = (body: SimBody): SimBody => ({
    sizeBytes: body.sizeBytes,
    *chunks() {
      for (const chunk of body.chunks()) {
        sentBytes += chunk.length;
        if (sentBytes - reportedBytes >= REPORT_EVERY_BYTES) {
          reportedBytes = sentBytes;
          process.send?.({ sentBytes });
        }
        if (killing !== undefined && sentBytes >= killing.whenSentBytes) {
          const { processId } = killing;
          killing = undefined;
          process.kill(processId, 'SIGKILL');
          process.send?.({ sentBytes, killed: processId });
        }
        yield chunk;
      }
    },
  });
  return {
    handle: async (request) => {
      const response = await inner.handle(request);
      return request.method === 'GET' ? { ...response, body: count(response.body) } : response;
    },
  };
}
