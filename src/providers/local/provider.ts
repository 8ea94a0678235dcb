/** Folders of this machine. */
import { realpath } from 'node:fs/promises';
import { defineProvider } from '../../contract/provider.ts';
import { DroverError } from '../../model/errors.ts';
import { LocalAccount } from './account.ts';
import { errnoOf, fromErrno } from './errors.ts';
import { ACCOUNT_FIELDS, MANIFEST } from './manifest.ts';

export { sweepLeftovers, type SweepOptions } from './sweep.ts';

export const local = defineProvider({
  manifest: MANIFEST,
  account: ACCOUNT_FIELDS,
  async open(config, context) {
    const root = typeof config['root'] === 'string' && config['root'] !== '' ? config['root'] : '/';
    if (!root.startsWith('/')) {
      throw new DroverError('INVALID_INPUT', `The root folder "${root}" is not an absolute path.`, { field: 'root' });
    }
    return new LocalAccount(await realRoot(root), context);
  },
});

async function realRoot(root: string): Promise<string> {
  try {
    return await realpath(root);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw fromErrno(error, `Opening ${root}`, null);
    throw new DroverError('INVALID_INPUT', `The root folder "${root}" is not there.`, { cause: error, field: 'root' });
  }
}
