/** `connector import`: what other tools already know. */
import { join, resolve } from 'node:path';
import { DroverError, toDroverError } from '../../model/errors.ts';
import { checkedConfig, providerById } from '../connectors.ts';
import { EXIT } from '../exit.ts';
import { importAws, importRclone, type Imported } from '../import-sources.ts';
import type { CommandEnd, Session } from '../session.ts';
import { EMPTY_SUMMARY } from '../summary.ts';
import { visible } from '../terminal.ts';

const IMPORTED = { one: '# connector imported.', other: '# connectors imported.' };
const WOULD_IMPORT = {
  one: '# connector would be imported. Nothing was saved.',
  other: '# connectors would be imported. Nothing was saved.',
};

interface Outcome {
  /** `possible`: it would have been saved, but for a dry run. */
  readonly result: 'saved' | 'possible' | 'refused';
  readonly words: string;
}

const MARKS: Readonly<Record<Outcome['result'], string>> = { saved: 'ok', possible: 'ok', refused: 'no' };

export interface ImportOptions {
  readonly file: string | undefined;
  /** Profiles or remotes; empty = all. */
  readonly only: readonly string[];
  readonly replace: boolean;
  readonly dryRun: boolean;
}

export async function importConnectors(session: Session, from: string, options: ImportOptions): Promise<CommandEnd> {
  const found = await readFrom(session, from, options.file);
  const wanted = options.only.map((name) => name.toLowerCase());
  const missing = wanted.find((name) => !found.some((item) => item.name.toLowerCase() === name));
  if (missing !== undefined) {
    throw new DroverError(
      'INVALID_INPUT',
      `The file describes no "${missing}". It has ${found.map(({ name }) => name).join(', ')}.`,
      {
        field: '--only',
        remedy: 'Name one that is there.',
      },
    );
  }
  let taken = 0;
  for (const item of found) {
    if (wanted.length > 0 && !wanted.includes(item.name.toLowerCase())) continue;
    const outcome = await importOne(session, item, options);
    taken += outcome.result === 'refused' ? 0 : 1;
    const { result, words } = outcome;
    const isSaved = result === 'saved';
    await session.terminal.record({ type: 'imported', name: item.name, provider: item.provider, isSaved, words });
    await session.terminal.print(`${MARKS[result]}  ${visible(item.name)}: ${visible(words)}`);
  }
  await session.terminal.print(session.format.plural(taken, options.dryRun ? WOULD_IMPORT : IMPORTED));
  return { exit: EXIT.FINE, summary: { ...EMPTY_SUMMARY, durationMs: session.elapsedMs } };
}

async function importOne(session: Session, item: Imported, options: ImportOptions): Promise<Outcome> {
  if (item.provider === null) return { result: 'refused', words: `${item.reason}.` };
  const provider = providerById(session, item.provider, 'provider');
  const { connectors } = await session.state();
  const notes = item.notes.map((note) => ` Note: ${note}.`).join('');
  try {
    // A field that this version does not describe must not sink the rest.
    const known = Object.entries(item.fields).filter(([field]) => provider.account[field] !== undefined);
    const config = checkedConfig(provider, Object.fromEntries(known), null);
    if (!options.replace && (await connectors.get(item.name)) !== null) {
      return { result: 'refused', words: 'there is a connector of this name already; --replace takes the new one.' };
    }
    if (options.dryRun) return { result: 'possible', words: `would import (${provider.manifest.title}).${notes}` };
    await connectors.save({ name: item.name, provider: item.provider, config });
    return { result: 'saved', words: `saved (${provider.manifest.title}).${notes}` };
  } catch (error) {
    const { code, message } = toDroverError(error);
    if (code !== 'INVALID_INPUT') throw error;
    return { result: 'refused', words: message };
  }
}

async function readFrom(session: Session, from: string, file: string | undefined): Promise<readonly Imported[]> {
  const { environment, homeFolder, workingFolder } = session.world;
  const given = file === undefined ? null : resolve(workingFolder, file);
  if (from === 'aws') {
    const folder = join(homeFolder, '.aws');
    const credentials = given ?? environment['AWS_SHARED_CREDENTIALS_FILE'] ?? join(folder, 'credentials');
    const config = given === null ? (environment['AWS_CONFIG_FILE'] ?? join(folder, 'config')) : null;
    const texts = [
      await session.world.readTextFile(credentials),
      config === null ? null : await session.world.readTextFile(config),
    ];
    if (texts[0] === null && texts[1] === null) throw noFile(credentials);
    return importAws(texts[0] ?? '', texts[1] ?? '');
  }
  if (from === 'rclone') {
    const folder = environment['XDG_CONFIG_HOME'] ?? join(homeFolder, '.config');
    const path = given ?? environment['RCLONE_CONFIG'] ?? join(folder, 'rclone', 'rclone.conf');
    const text = await session.world.readTextFile(path);
    if (text === null) throw noFile(path);
    return importRclone(text);
  }
  throw new DroverError('USAGE', `Drover cannot import from "${from}". It reads aws and rclone.`, {
    remedy: 'Write "drover connector import aws" or "drover connector import rclone".',
  });
}

function noFile(path: string): DroverError {
  return new DroverError('INVALID_INPUT', `There is no file ${path}.`, {
    field: '--file',
    remedy: 'Name the file with --file.',
  });
}
