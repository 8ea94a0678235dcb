/** The two servers of the demo: each a child that dies with this process, even if this one is killed. */
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { SampleOptions } from '../src/sim/sample.ts';
import type { AzureAccess, S3Access } from './stores.ts';

export interface Video {
  readonly key: string;
  readonly seed: number;
  readonly sizeBytes: number;
}

export interface S3Setting {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sample: {
    readonly bucket: string;
    readonly emptyBucket: string;
    readonly options: SampleOptions;
    readonly videos: readonly Video[];
  } | null;
}

export interface S3Server {
  readonly access: S3Access;
  /**
   * Kills this process with SIGKILL in the moment in which so many bytes of answers have left the server since it
   * began: the next one never does, however slow anybody is to notice. Resolves with their number when it is done.
   */
  killWhenSent(bytes: number, processId: number): Promise<number>;
  /** At once, with all that is in it: no request does that while somebody else writes. */
  removeBucket(name: string): Promise<void>;
  readonly sentBytes: number;
}

export interface AzuriteServer {
  readonly access: AzureAccess;
}

interface Message {
  readonly removedBucket?: string;
  readonly origin?: string;
  readonly sentBytes?: number;
  readonly killed?: number;
}

/** What the stand-in is asked for. */
export interface S3Order {
  readonly removeBucket?: string;
  readonly kill?: { readonly processId: number; readonly whenSentBytes: number };
}

const children = new Set<ChildProcess>();
let isStopped = false;

/** Ends every server, for good; resolves when they are gone. */
export async function stopServers(): Promise<void> {
  isStopped = true;
  await Promise.all(
    [...children].map((child) => {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      return gone;
    }),
  );
}

/** The stand-in of this project. It proves nothing about Amazon S3. */
export async function startS3(sample: S3Setting['sample']): Promise<S3Server> {
  const setting: S3Setting = { accessKeyId: 'AKIADROVERDEMO', secretAccessKey: 'demo-secret-of-no-value', sample };
  const child = start('s3-server.ts', [JSON.stringify(setting)], undefined);
  let sentBytes = 0;
  const origin = await new Promise<string>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`The S3 stand-in ended with code ${code}.`)));
    child.on('message', (message: Message) => {
      if (message.origin !== undefined) resolve(message.origin);
      sentBytes = message.sentBytes ?? sentBytes;
    });
  });
  const ordered = (order: S3Order, isDone: (message: Message) => boolean): Promise<void> =>
    new Promise((resolve) => {
      const hear = (message: Message): void => {
        if (!isDone(message)) return;
        child.off('message', hear);
        resolve();
      };
      child.on('message', hear);
      child.send(order);
    });
  return {
    access: { endpoint: origin, accessKeyId: setting.accessKeyId, secretAccessKey: setting.secretAccessKey },
    removeBucket: (name) => ordered({ removeBucket: name }, ({ removedBucket }) => removedBucket === name),
    killWhenSent: async (bytes, processId) => {
      await ordered({ kill: { processId, whenSentBytes: bytes } }, ({ killed }) => killed === processId);
      return sentBytes;
    },
    get sentBytes() {
      return sentBytes;
    },
  };
}

/** The emulator's account and key are Microsoft's well-known ones. It takes a port by itself, which nobody else gets. */
export async function startAzurite(folder: string): Promise<AzuriteServer> {
  const words = ['--blobHost', '127.0.0.1', '--blobPort', '0', '--location', folder];
  const child = start(
    'azurite-server.ts',
    [...words, '--silent', '--disableTelemetry', '--skipApiVersionCheck'],
    folder,
  );
  const origin = await new Promise<string>((resolve, reject) => {
    let said = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      const found = /listens on (http:\/\/\S+)\s/.exec(said)?.[1];
      if (found !== undefined) resolve(found);
    });
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`Azurite ended with code ${code}.`)));
  });
  return {
    access: {
      endpoint: `${origin}/devstoreaccount1`,
      accountName: 'devstoreaccount1',
      accountKey: 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==',
    },
  };
}

function start(file: string, words: readonly string[], cwd: string | undefined): ChildProcess {
  if (isStopped) throw new Error('The servers were stopped.');
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), [...words], {
    cwd,
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    execArgv: ['--disable-warning=ExperimentalWarning', '--disable-warning=DEP0040', '--disable-warning=DEP0169'],
  });
  children.add(child);
  child.stdout?.resume();
  child.once('exit', () => children.delete(child));
  return child;
}
