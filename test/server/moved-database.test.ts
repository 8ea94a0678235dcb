/** A database that is started elsewhere without its master key. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { serve } from '../../src/main/serve.ts';
import { makeTestFolder, openTestDatabase } from '../postgres.ts';

test('no new master key is made for what another one has locked', async () => {
  const database = await openTestDatabase();
  const home = makeTestFolder('moved-database');
  const stopper = new AbortController();
  const start = async (data: string, onReady: () => void): Promise<void> => {
    const variables = {
      DATABASE_URL: database.url,
      DROVER_DATA_DIR: join(home, data),
      DROVER_ARTIFACTS: join(home, 'artifacts'),
      DROVER_LISTEN: '127.0.0.1:0',
      DROVER_LOCAL_WORKERS: '0',
      DROVER_LOG_LEVEL: 'error',
    };
    const line = async (): Promise<void> => onReady();
    const call = { flags: {}, configPath: null, say: async () => undefined, line, signal: stopper.signal };
    await serve(call, { newArtifacts: false }, { variables, programVersion: '1.2.3' });
  };
  let first: Promise<void> | null = null;
  try {
    await new Promise<void>((resolve, reject) => {
      first = start('here', resolve);
      first.catch(reject);
    });
    expect(existsSync(join(home, 'here', 'master.key'))).toBe(true);
    const elsewhere = start('elsewhere', () => undefined);
    await expect(elsewhere).rejects.toMatchObject({
      code: 'MASTER_KEY_WRONG',
      message: expect.stringContaining(join(home, 'elsewhere', 'master.key')),
    });
    expect(existsSync(join(home, 'elsewhere', 'master.key'))).toBe(false);
  } finally {
    stopper.abort();
    // It lets go of its database by itself.
    await first;
    await database.drop();
  }
});
