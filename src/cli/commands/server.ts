/** Commands of the server: `serve`, `worker`, `config`, `db`, `vault`, `setup`. */
import { Option, type Command } from 'commander';
import { DroverError } from '../../model/errors.ts';
import { EXIT } from '../exit.ts';
import type { Start } from '../program.ts';
import type { ServerCall, ServerCommands } from '../server-commands.ts';
import type { Session } from '../session.ts';
import { EMPTY_SUMMARY } from '../summary.ts';
import { visible } from '../terminal.ts';
import type { CliWorld } from '../world.ts';

interface Given {
  readonly config?: string;
  readonly [setting: string]: unknown;
}

export function addServerCommands(program: Command, world: CliWorld, start: Start): void {
  const run = (given: Given, work: (server: ServerCommands, call: ServerCall, session: Session) => Promise<void>) =>
    start(async (session) => {
      await work(await world.server(), callOf(session, world, given), session);
      return { exit: EXIT.FINE, summary: EMPTY_SUMMARY };
    });
  withSettings(world, program.command('serve'))
    .description('start the server with its database and a worker, until Ctrl-C')
    .option('--new-artifacts', 'go on with another artifact store, without the logs and reports of earlier runs')
    .action((given: Given) =>
      run(given, (server, call) => server.serve(call, { newArtifacts: given['newArtifacts'] === true })),
    );
  withSettings(world, program.command('worker'))
    .description("work on the server's runs; needs its DATABASE_URL and master key")
    .addOption(new Option('--with-parent', 'end when standard input ends').hideHelp())
    .action((given: Given) =>
      run(given, (server, call) => server.worker(call, { endsWithParent: given['withParent'] === true })),
    );
  withSettings(world, program.command('config').description('the settings of the server').command('check'))
    .description('read all settings and say what holds and where it comes from')
    .action((given: Given) =>
      run(given, async (server, call, session) => {
        for (const { name, value, source } of await server.checkConfig(call)) {
          await session.terminal.print(`${name.padEnd(26)} ${value.padEnd(30)} ${source}`);
          await session.terminal.record({ type: 'setting', name, value, source });
        }
      }),
    );
  addDatabase(program, world, run);
  addVault(program, world, run);
  addSetup(program, world, run);
}

type Run = (
  given: Given,
  work: (server: ServerCommands, call: ServerCall, session: Session) => Promise<void>,
) => Promise<void>;

function addDatabase(program: Command, world: CliWorld, run: Run): void {
  const database = program.command('db').description("the server's database");
  withSettings(world, database.command('status'))
    .description('version, size, and what is in it')
    .action((given: Given) =>
      run(given, async (server, call, session) => {
        const status = await server.databaseStatus(call);
        for (const [name, value] of Object.entries(status)) {
          await session.terminal.print(`${name.padEnd(20)} ${value}`);
        }
        await session.terminal.record({ type: 'database', ...status });
      }),
    );
  withSettings(world, database.command('backup'))
    .argument('<file>', 'where to write it; - for standard output')
    .description('write everything but the master key to one file, while the server runs')
    .action((file: string, given: Given) =>
      run(given, async (server, call, session) => {
        const { tables, rows, sizeBytes } = await server.backup(call, file);
        const place = file === '-' ? 'the backup' : file;
        await session.terminal.say(
          `${rows} rows of ${tables} tables are in ${place} (${sizeBytes} bytes). The master key is not in it: keep a copy of it elsewhere.`,
        );
        // Standard output holds the backup and nothing else.
        if (file !== '-') await session.terminal.record({ type: 'backup', file, tables, rows, sizeBytes });
      }),
    );
  withSettings(world, database.command('restore'))
    .argument('<file>', 'a backup; - for standard input')
    .description('fill an empty database from a backup')
    .action((file: string, given: Given) =>
      run(given, async (server, call, session) => {
        const { tables, rows, sessionsEnded } = await server.restore(call, file);
        const ended = session.format.plural(sessionsEnded, { one: '# session is', other: '# sessions are' });
        await session.terminal.say(
          `${rows} rows of ${tables} tables are restored; ${ended} ended, so everybody signs in anew. ` +
            'People, passwords and tokens are as they were then: what was changed or revoked since, change again ("drover token list", "drover person list").',
        );
        await session.terminal.record({ type: 'restore', file, tables, rows, sessionsEnded });
      }),
    );
}

function addVault(program: Command, world: CliWorld, run: Run): void {
  const vault = program.command('vault').description('the secrets of connectors');
  withSettings(world, vault.command('wrap'))
    .requiredOption('--out <file>', 'where the wrapped key goes; it must not be there yet')
    .option('--new', 'wrap a new master key, for "vault rotate"; it is never in the open')
    .description('wrap the master key with a key of AWS KMS or Azure Key Vault (--master-key-kms)')
    .action((given: Given) =>
      run(given, async (server, call, session) => {
        const out = String(given['out']);
        const isNew = given['new'] === true;
        const { keyId, masterKeyId } = await server.wrapMasterKey(call, { out, isNew });
        const next = isNew
          ? `Next: drover vault rotate --new-key-file ${out}`
          : `Next: start every server and worker with DROVER_MASTER_KEY_KMS and DROVER_MASTER_KEY_FILE=${out}, and destroy the key in the open.`;
        await session.terminal.say(
          `${out} holds the master key ${masterKeyId}, wrapped with ${visible(keyId)}.\n${next}`,
        );
        await session.terminal.record({ type: 'wrapped-key', file: out, keyId, masterKeyId });
      }),
    );
  withSettings(world, vault.command('rotate'))
    .requiredOption('--new-key-file <file>', 'holds the new master key: 32 bytes in base64, or what "vault wrap" made')
    .option('--no-hand-over', 'for an old key that others know: what runs with it must be started again')
    .description('wrap all secrets with another master key, while servers and workers run')
    .action((given: Given) =>
      run(given, async (server, call, session) => {
        const { secrets, masterKeyId } = await server.rotateVault(
          call,
          String(given['newKeyFile']),
          given['handOver'] !== false,
        );
        await session.terminal.say(
          `${secrets} secrets are wrapped with the key ${masterKeyId}. Give every server and worker that key before its next start.`,
        );
        await session.terminal.record({ type: 'rotation', secrets, masterKeyId });
      }),
    );
}

function addSetup(program: Command, world: CliWorld, run: Run): void {
  withSettings(world, program.command('setup'))
    .option('--email <address>', 'of the administrator to make')
    .option('--name <name>', 'shown to others; by default the part before the @')
    .option('--password-stdin', 'read the password from standard input')
    .option('--replace', 'set a new password for a person who exists already')
    .option('--link', 'print a new set-up link instead; ends the old one')
    .description('make the first administrator, and print a token')
    .action((given: Given) =>
      run(given, async (server, call, session) => {
        if (given['link'] === true) {
          const url = await server.setupLink(call);
          await session.terminal.print(url);
          await session.terminal.record({ type: 'setup-link', url });
          return;
        }
        const email = given['email'];
        if (typeof email !== 'string') {
          throw new DroverError('USAGE', 'Say whom to make an administrator with --email, or ask for a --link.');
        }
        const password = await readPassword(session, world, given['passwordStdin'] === true);
        const name = typeof given['name'] === 'string' ? given['name'] : (email.split('@')[0] ?? email);
        const made = await server.setUp(call, { email, name, password, replace: given['replace'] === true });
        await session.terminal.print(made.token);
        await session.terminal.record({ type: 'setup', ...made });
      }),
    );
}

async function readPassword(session: Session, world: CliWorld, fromInput: boolean): Promise<string> {
  if (fromInput) return (await world.readInput()).replace(/\r?\n$/, '');
  if (world.prompt === null) {
    throw new DroverError('USAGE', 'Nobody can be asked for the password here.', {
      remedy: 'Pipe it in and add --password-stdin.',
    });
  }
  await session.terminal.say('A password of at least 12 characters.');
  return world.prompt.ask('Password  ', true);
}

function withSettings(world: CliWorld, command: Command): Command {
  command.option('--config <file>', 'settings file instead of drover.yaml in the data folder');
  for (const { flag, help } of world.settingFlags) command.addOption(new Option(`${flag} <value>`, help));
  return command;
}

function callOf(session: Session, world: CliWorld, given: Given): ServerCall {
  const flags: Record<string, unknown> = {};
  for (const { name } of world.settingFlags) if (given[name] !== undefined) flags[name] = given[name];
  return {
    flags,
    configPath: given.config ?? null,
    say: (text) => session.terminal.say(text),
    line: (value) => session.world.stdout.write(`${JSON.stringify(value)}\n`),
    signal: session.signal,
  };
}
