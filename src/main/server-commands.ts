/** The server's commands, constructed. Brought in only when one of them is called. */
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ServerCall, ServerCommands } from '../cli/server-commands.ts';
import { backup, restore, status } from '../control/database/backup.ts';
import type { Database } from '../control/database/connect.ts';
import { SYSTEM, type Actor, type Role } from '../control/entities.ts';
import { describeSettings } from '../control/settings/load.ts';
import { loadMasterKey, MASTER_KEY_FILE, openKey } from '../control/settings/master-key.ts';
import { isMasterKey, MASTER_KEY_BYTES, type Settings } from '../control/settings/settings.ts';
import { wrappedKeyOf, wrappedText } from '../control/settings/wrapped-key.ts';
import { masterKeyOf } from '../control/vault/envelope.ts';
import { HAND_OVER_MS, rotateVault } from '../control/vault/vault.ts';
import { systemClock, systemRandom } from '../lib/system.ts';
import { DroverError, toDroverError } from '../model/errors.ts';
import { readBackupFrom, writeBackupTo } from './backup-file.ts';
import { checkForms } from './config-check.ts';
import { keyWrappingOf } from './key-wrapping.ts';
import { serve } from './serve.ts';
import { settingsOf } from './server-settings.ts';
import {
  logOf,
  MASTER_KEY_MS_MAX,
  openServerDatabase,
  openWorld,
  type Environment,
  type OpenedDatabase,
} from './server-world.ts';
import { openServices, type AllServices } from './services.ts';
import { work } from './worker.ts';

export function serverCommands(environment: Environment): ServerCommands {
  return {
    serve: (call, options) => serve(call, options, environment),
    worker: (call, options) => work(call, options, environment),
    async checkConfig(call) {
      const loaded = settingsOf(call, environment.variables);
      await checkForms(loaded.settings, environment);
      return describeSettings(loaded);
    },
    databaseStatus: (call) => withDatabase(call, environment, ({ database }) => statusOf(database)),
    backup: (call, path) =>
      withDatabase(call, environment, (opened) => backupTo(opened, path, environment.programVersion)),
    restore: (call, path) =>
      withDatabase(call, environment, async ({ database }) => {
        const { tables, rows, sessionsEnded } = await restore(database, readBackupFrom(path, process.stdin));
        return { tables: tables.length, rows, sessionsEnded };
      }),
    wrapMasterKey: (call, options) => wrapKey(call, environment, options),
    rotateVault: (call, newKeyFile, handOver) => rotate(call, environment, newKeyFile, handOver),
    setUp: (call, person) => withServices(call, environment, (services) => setUp(services, person)),
    setupLink: (call) =>
      withServices(call, environment, async ({ signIn }, url) => `${url}/setup#t=${await signIn.makeSetupToken()}`),
  };
}

/** Beside a server that may be running. */
async function withDatabase<T>(
  call: ServerCall,
  environment: Environment,
  use: (opened: OpenedDatabase) => Promise<T>,
): Promise<T> {
  const { settings } = settingsOf(call, environment.variables);
  await using opened = await openServerDatabase(settings, logOf({ ...settings, logLevel: 'warn' }), true);
  return await use(opened);
}

async function withServices<T>(
  call: ServerCall,
  environment: Environment,
  use: (services: AllServices, url: string) => Promise<T>,
): Promise<T> {
  const { settings } = settingsOf(call, environment.variables);
  refuseElsewhere(settings);
  const log = logOf({ ...settings, logLevel: 'warn' });
  await using opened = await openServerDatabase(settings, log, true);
  await using opening = await openWorld(settings, opened, log, { ...environment, configPath: call.configPath }, true);
  const { host, port } = settings.listen;
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  return await use(openServices(opening.world, call.signal), settings.publicUrl ?? `http://${address}`);
}

/** A command beside the server must not make a second installation because it looks into another folder. */
function refuseElsewhere({ databaseUrl, dataDir }: Settings): void {
  if (databaseUrl !== null || existsSync(join(dataDir, 'postgres'))) return;
  throw new DroverError('WRONG_STATE', `There is no server's data in ${dataDir}.`, {
    field: 'dataDir',
    remedy: 'Start the server first, or name its folder with DROVER_DATA_DIR (or its database with DATABASE_URL).',
  });
}

async function statusOf(database: Database): Promise<Record<string, string | number>> {
  const { tables, schemaVersion, ...rest } = await status(database);
  const rows = tables.map(({ name, rows: count, sizeBytes }) => [`table ${name}`, `${count} rows, ${sizeBytes} bytes`]);
  return { ...rest, schemaVersion: schemaVersion ?? 'no tables yet', ...Object.fromEntries(rows) };
}

async function backupTo(
  { database }: OpenedDatabase,
  path: string,
  programVersion: string,
): ReturnType<ServerCommands['backup']> {
  let counts = { tables: 0, rows: 0 };
  const sizeBytes = await writeBackupTo(path, process.stdout, async (write) => {
    const { tables, rows } = await backup(database, write, { programVersion, now: systemClock.now() });
    counts = { tables: tables.length, rows };
  });
  return { ...counts, sizeBytes };
}

async function rotate(
  call: ServerCall,
  environment: Environment,
  newKeyFile: string,
  handOver: boolean,
): ReturnType<ServerCommands['rotateVault']> {
  const { settings } = settingsOf(call, environment.variables);
  const log = logOf({ ...settings, logLevel: 'warn' });
  const signal = AbortSignal.any([call.signal, AbortSignal.timeout(MASTER_KEY_MS_MAX)]);
  const newKey = await readKey(newKeyFile, '--new-key-file', settings, environment, signal);
  const wrapping = keyWrappingOf(settings, environment.variables, log);
  const oldKey = await loadMasterKey({ settings, random: systemRandom, log, mayMake: false, wrapping, signal });
  return withDatabase(call, environment, async ({ database }) => {
    const world = { db: database.kysely, clock: systemClock, random: systemRandom };
    const { rotated, masterKeyId } = await rotateVault(world, {
      oldKey,
      newKey,
      handOverMs: handOver ? HAND_OVER_MS : 0,
    });
    return { secrets: rotated, masterKeyId };
  });
}

async function readText(path: string, field: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const message = code === 'ENOENT' ? `There is no file ${path}.` : `${path} cannot be read (${code}).`;
    throw new DroverError('INVALID_INPUT', message, { field, cause: error, remedy: 'Name a file that can be read.' });
  }
}

/** In the open or wrapped; who wrapped it stands in it, and whoever names the file trusts it. */
async function readKey(
  path: string,
  field: string,
  settings: Settings,
  environment: Environment,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const text = (await readText(path, field)).trim();
  const wrapped = wrappedKeyOf(text);
  if (wrapped === null && !isMasterKey(text)) {
    throw new DroverError('INVALID_INPUT', `${path} does not hold a key of 32 bytes in base64.`, {
      field,
      remedy: 'Make one with: openssl rand -base64 32',
    });
  }
  const log = logOf({ ...settings, logLevel: 'warn' });
  const own =
    wrapped === null ? null : keyWrappingOf({ ...settings, masterKeyKms: wrapped.keyId }, environment.variables, log);
  return openKey(text, { where: path, field }, { wrapping: own, signal });
}

/** The master key as it is now, or a new one, wrapped with the key that the settings name, in a file that was not there. */
async function wrapKey(
  call: ServerCall,
  environment: Environment,
  { out, isNew }: Parameters<ServerCommands['wrapMasterKey']>[1],
): ReturnType<ServerCommands['wrapMasterKey']> {
  const { settings } = settingsOf(call, environment.variables);
  const wrapping = keyWrappingOf(settings, environment.variables, logOf({ ...settings, logLevel: 'warn' }));
  if (wrapping === null) {
    throw new DroverError('USAGE', 'Nobody said with which key to wrap.', {
      field: '--master-key-kms',
      remedy:
        'Name it with --master-key-kms or DROVER_MASTER_KEY_KMS: an ARN of AWS KMS, or https://VAULT.vault.azure.net/keys/KEY.',
    });
  }
  const signal = AbortSignal.any([call.signal, AbortSignal.timeout(MASTER_KEY_MS_MAX)]);
  const key = isNew ? systemRandom.bytes(MASTER_KEY_BYTES) : await presentKey(settings, environment, signal);
  const wrapped = await wrapping.wrap(key, signal);
  // What cannot be unwrapped would be noticed at the next start only.
  const again = await wrapping.unwrap(wrapped, signal);
  if (!Buffer.from(again).equals(Buffer.from(key))) {
    throw new DroverError('MASTER_KEY_WRONG', `What ${wrapping.name} wrapped it does not unwrap to the same.`, {
      field: 'masterKeyKms',
      remedy: 'Nothing was written. Use another key.',
    });
  }
  try {
    await writeFile(out, `${wrappedText(wrapped)}\n`, { flag: 'wx', mode: 0o600, flush: true });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const words = code === 'EEXIST' ? `There is a file ${out} already.` : `${out} cannot be written (${code}).`;
    const remedy = 'Name a file that is not there yet, in a folder that you may write to.';
    throw new DroverError(code === 'EEXIST' ? 'ALREADY_EXISTS' : 'INVALID_INPUT', words, {
      cause,
      field: '--out',
      remedy,
    });
  }
  return { keyId: wrapped.keyId, masterKeyId: masterKeyOf(key).id };
}

/** Wherever it is and whoever wrapped it so far. */
async function presentKey(settings: Settings, environment: Environment, signal: AbortSignal): Promise<Uint8Array> {
  if (settings.masterKey === null) {
    const path = settings.masterKeyFile ?? join(settings.dataDir, MASTER_KEY_FILE);
    return readKey(path, 'masterKeyFile', settings, environment, signal);
  }
  const wrapped = wrappedKeyOf(settings.masterKey);
  const log = logOf({ ...settings, logLevel: 'warn' });
  const wrapping =
    wrapped === null ? null : keyWrappingOf({ ...settings, masterKeyKms: wrapped.keyId }, environment.variables, log);
  return openKey(settings.masterKey, { where: 'DROVER_MASTER_KEY', field: 'masterKey' }, { wrapping, signal });
}

/** The first admin; or, when asked to, a new password for somebody who is there. A token comes with both. */
async function setUp(
  { signIn, people, tokens }: AllServices,
  { email, name, password, replace }: Parameters<ServerCommands['setUp']>[1],
): ReturnType<ServerCommands['setUp']> {
  let personId: string;
  if (await signIn.needsSetup()) {
    personId = (await signIn.setUp({ token: null, email, name, password })).id;
  } else {
    const { items } = await people.list(SYSTEM, { search: email, limit: 1_000 });
    const known = items.find((person) => person.email.toLowerCase() === email.trim().toLowerCase());
    if (known === undefined) {
      throw new DroverError('WRONG_STATE', 'Drover is set up already; an administrator adds further people.', {
        remedy: 'Name a person who exists with --replace to set a new password, or sign in and add this one.',
      });
    }
    if (!replace) {
      throw new DroverError('GUARD_CONFIRM', `"${email}" exists already.`, {
        remedy: 'Add --replace to set this password and to get a new token.',
      });
    }
    await people.update(SYSTEM, known.id, null, { password, state: 'active' });
    personId = known.id;
  }
  const { role, name: shown } = await people.get(SYSTEM, personId);
  const actor = { ...SYSTEM, kind: 'person', personId, name: shown, role } as const;
  const secret = await newToken(tokens, actor, role);
  return { personId, token: secret };
}

/** `Command line`, `Command line 2`, …: the name stands beside everything that is done with it. */
async function newToken(tokens: AllServices['tokens'], actor: Actor, role: Role): Promise<string> {
  for (let number = 1; ; number++) {
    const name = number === 1 ? 'Command line' : `Command line ${number}`;
    try {
      return (await tokens.create(actor, { name, role, expiresAt: null })).secret;
    } catch (error) {
      if (toDroverError(error).code !== 'ALREADY_EXISTS') throw error;
    }
  }
}
