/** The commands, their arguments and their options; what a command does is in `commands/`. */
import { Command, Option } from 'commander';
import { DroverError } from '../model/errors.ts';
import { makeBucket, remove } from './commands/changing.ts';
import { completionScript, SHELLS } from './commands/completion.ts';
import { importConnectors } from './commands/connector-import.ts';
import { addConnector, removeConnector, showConnector, showConnectors, testConnector } from './commands/connector.ts';
import { list, measure, printContent } from './commands/listing.ts';
import { addPolicy, readUse } from './commands/connector-policy.ts';
import { addServerCommands } from './commands/server.ts';
import { pruneRuns, removeRun } from './commands/runs-removal.ts';
import { listRuns, showLog, showRun } from './commands/runs.ts';
import { transfer } from './commands/transfer.ts';
import { verify } from './commands/verify.ts';
import { fieldOption } from './connector-form.ts';
import { EXIT } from './exit.ts';
import type { CommandEnd, Session } from './session.ts';
import {
  addConnectorAt,
  listConnectorsAt,
  removeConnectorAt,
  showConnectorAt,
  testConnectorAt,
} from './remote/connectors.ts';
import { addListOptions, type ListGiven } from './remote/lists.ts';
import { listAt, makeBucketAt, measureAt } from './remote/places.ts';
import { addRemoteCommands } from './remote/register.ts';
import { localOnly } from './remote/remote.ts';
import { EMPTY_SUMMARY } from './summary.ts';
import { addTransferOptions, readTransferOptions, type TransferCommand } from './transfer-options.ts';
import { parseChoice, parseCount } from './units.ts';
import type { CliWorld } from './world.ts';

/** Runs the work of one command in a session made from the options that all commands share. */
export type Start = (work: (session: Session) => Promise<CommandEnd>) => Promise<void>;

const PLACES = `
A place is NAME:bucket/path, where NAME is a connector, or a local path (./a:b if it looks like a connector).
"b/p" and "b/p/" mean every key that starts with "p/", or the one object "p".`;

export function buildProgram(world: CliWorld, start: Start, writeOut: (text: string) => void): Command {
  const program = new Command('drover')
    .description('Moves content between Amazon S3, Azure Blob Storage and folders, and proves that nothing was lost.')
    .exitOverride()
    // Errors are worded and written where all others are.
    .configureOutput({ writeOut, writeErr: () => undefined })
    .configureHelp({ showGlobalOptions: true })
    .option('--state <folder>', "where Drover keeps its own state instead of the platform's usual folder")
    .option('--server <url>', 'work through this server instead of on this machine; or DROVER_SERVER')
    .option('--token-file <file>', 'holds the token for the server; or DROVER_TOKEN')
    .option('--insecure-http', 'send the token to another machine over plain HTTP; or DROVER_INSECURE_HTTP=1')
    .option('--json', 'only JSON lines on standard output, the last of them a summary')
    .option('-q, --quiet', 'no talk on standard error but errors')
    .option('-v, --verbose', 'more talk, and details of faults')
    .version(world.version, '-V, --version', 'print the version')
    .helpCommand('help [command]', 'say how a command is used')
    .addHelpText('after', PLACES);
  addTransfers(program, world, localOnly(start, 'There, a job does it: drover job create, drover job start.'));
  addLooking(program, start);
  addChanging(program, start);
  addRuns(program, localOnly(start, 'The runs of a server: drover run list.'));
  addConnectors(program, world, start);
  addServerCommands(program, world, start);
  addRemoteCommands(program, start);
  program
    .command('completion')
    .argument('<shell>', SHELLS.join(', '))
    .description('print a script that completes commands and options in your shell')
    .action((shell: string) =>
      start(async (session) => {
        await session.terminal.print(completionScript(parseChoice(shell, 'SHELL', SHELLS), program));
        return { exit: EXIT.FINE, summary: EMPTY_SUMMARY };
      }),
    );
  program
    .command('version')
    .description('print the version')
    .action(() =>
      start(async (session) => {
        await session.terminal.print(world.version);
        return { exit: EXIT.FINE, summary: EMPTY_SUMMARY };
      }),
    );
  return program;
}

const TRANSFER_WORDS: Readonly<Record<TransferCommand, string>> = {
  copy: 'copy what is missing or different to the target; never deletes',
  sync: 'make the target equal to the source; deletes what only the target has',
  check: 'compare both sides: what is missing, different or extra in the target',
};

function addTransfers(program: Command, world: CliWorld, start: Start): void {
  for (const which of ['copy', 'sync', 'check'] as const) {
    const command = program
      .command(which)
      .argument('<source>', 'place to read')
      .argument('<target>', which === 'check' ? 'place to compare with' : 'place to write')
      .description(TRANSFER_WORDS[which]);
    addTransferOptions(command, which);
    command.action((source: string, target: string, given: object) =>
      start(async (session) => {
        const options = readTransferOptions(which, given, world.timeZone);
        return transfer(session, which, source, target, options);
      }),
    );
  }
  program
    .command('verify')
    .argument('<run>', 'id of a run that has ended')
    .description('check again that everything a run recorded is at its target')
    .action((run: string) => start(async (session) => verify(session, run)));
}

function addLooking(program: Command, start: Start): void {
  program
    .command('ls')
    .argument('<place>', 'NAME: lists the buckets')
    .description('list the keys below a place')
    .option('-l, --long', 'with size and time')
    .option('--one-level', 'folders as one line each instead of all that is in them')
    .option('--versions [which]', 'all: every version; current')
    .action((place: string, given: { long?: boolean; oneLevel?: boolean; versions?: string | boolean }) =>
      start(async (session) => {
        const versions = given.versions === undefined ? 'current' : given.versions === true ? 'all' : given.versions;
        return (session.server === null ? list : listAt)(session, place, {
          long: given.long === true,
          oneLevel: given.oneLevel === true,
          versions: parseChoice(versions === false ? 'current' : versions, '--versions', ['all', 'current']),
        });
      }),
    );
  program
    .command('du')
    .argument('<place>', 'NAME: measures every bucket')
    .description('count objects and bytes below a place')
    .action((place: string) =>
      start(async (session) => (session.server === null ? measure : measureAt)(session, place)),
    );
  program
    .command('cat')
    .argument('<object>', 'place of one object')
    .description('write the content of one object to standard output')
    .action((place: string) =>
      localOnly(start, 'Through a server no content is read.')(async (session) => printContent(session, place)),
    );
}

function addChanging(program: Command, start: Start): void {
  program
    .command('mkbucket')
    .argument('<place>', 'NAME:bucket, or a folder')
    .description('make a bucket, container or folder')
    .action((place: string) =>
      start(async (session) => (session.server === null ? makeBucket : makeBucketAt)(session, place)),
    );
  program
    .command('rm')
    .argument('<place>', 'an object, or with --recursive everything below a place')
    .description('remove an object, or everything below a place; never the bucket itself')
    .option('-r, --recursive', 'everything below the place')
    .option('-y, --yes', 'do not ask')
    .option('--dry-run', 'say what would be removed, and do nothing')
    .action((place: string, given: { recursive?: boolean; yes?: boolean; dryRun?: boolean }) =>
      localOnly(
        start,
        'Through a server, only jobs change objects: drover job create.',
      )(async (session) =>
        remove(session, place, {
          recursive: given.recursive === true,
          yes: given.yes === true,
          dryRun: given.dryRun === true,
        }),
      ),
    );
}

function addRuns(program: Command, start: Start): void {
  const runs = program.command('runs').description('what was done, and what happened to each item');
  runs
    .command('list', { isDefault: true })
    .description('the newest runs first')
    .option('--limit <n>', 'show the newest, this many at most', '50')
    .action((given: { limit: string }) =>
      start(async (session) => listRuns(session, parseCount(given.limit, '--limit', 1, 100_000))),
    );
  runs
    .command('show')
    .argument('<run>', 'id of a run')
    .description('one run in full')
    .action((run: string) => start(async (session) => showRun(session, run)));
  runs
    .command('log')
    .argument('<run>', 'id of a run')
    .description('what happened to each item')
    .option('--result <results>', 'only these, with commas between: failed,unsupported')
    .action((run: string, given: { result?: string }) => start(async (session) => showLog(session, run, given.result)));
  runs
    .command('remove')
    .argument('<run>', 'id of a run')
    .description('forget a run and its log; never the latest snapshot of two places')
    .option('--force', 'also one that could be continued: gives it up, and takes away what it left at the target')
    .action((run: string, given: { force?: boolean }) =>
      start(async (session) => removeRun(session, run, given.force === true)),
    );
  runs
    .command('prune')
    .description(
      'forget old runs and their logs; keeps the latest snapshot of each transfer, and what can be continued',
    )
    .option('--older-than <age>', 'those that ended longer ago than this (90d), or before a date (2026-01-31)')
    .option('--dry-run', 'say how many would go, and do nothing')
    .action((given: { olderThan?: string; dryRun?: boolean }) =>
      start(async (session) => pruneRuns(session, { olderThan: given.olderThan, dryRun: given.dryRun === true })),
    );
}

function addConnectors(program: Command, world: CliWorld, start: Start): void {
  const connector = program.command('connector').description('authorized accounts, saved under a name');
  addConnectorForms(connector, world, start);
  addListOptions(connector.command('list').description('all connectors')).action((given: ListGiven) =>
    start(async (session) => (session.server === null ? showConnectors(session) : listConnectorsAt(session, given))),
  );
  connector
    .command('show')
    .argument('<name>', 'of the connector')
    .description('its settings, without secrets')
    .action((name: string) =>
      start(async (session) => (session.server === null ? showConnector : showConnectorAt)(session, name)),
    );
  connector
    .command('test')
    .argument('<name>', 'of the connector, or NAME:bucket/path')
    .description('sign in, and say permission by permission what it may do')
    .option('--use <use>', 'read, write or both', 'both')
    .action((name: string, given: { use: string }) =>
      start(async (session) =>
        (session.server === null ? testConnector : testConnectorAt)(session, name, readUse(given.use)),
      ),
    );
  connector
    .command('remove')
    .argument('<name>', 'of the connector')
    .description('forget a connector and its secrets')
    .option('-y, --yes', 'do not ask')
    .action((name: string, given: { yes?: boolean }) =>
      start(async (session) =>
        (session.server === null ? removeConnector : removeConnectorAt)(session, name, given.yes === true),
      ),
    );
  addPolicy(connector, start);
  connector
    .command('import')
    .argument('<from>', 'aws (profiles) or rclone (remotes)')
    .description("take over what another tool's configuration file describes")
    .option('--file <path>', 'instead of the usual file')
    .option('--only <name>', 'only this profile or remote; can be repeated', collect)
    .option('--replace', 'replace connectors of the same name')
    .option('--dry-run', 'say what would be imported, and save nothing')
    .action((from: string, given: { file?: string; only?: string[]; replace?: boolean; dryRun?: boolean }) =>
      localOnly(
        start,
        'There, add each one: drover connector add.',
      )(async (session) =>
        importConnectors(session, from, {
          file: given.file,
          only: given.only ?? [],
          replace: given.replace === true,
          dryRun: given.dryRun === true,
        }),
      ),
    );
}

/** One form for each provider, made from its described fields. */
function addConnectorForms(connector: Command, world: CliWorld, start: Start): void {
  const add = connector.command('add').description('save a connector; asks for what is missing when you are there');
  for (const { manifest, account } of world.providers) {
    const form = add
      .command(manifest.id)
      .argument('[name]', 'to be used before the colon of a place; a server makes one up')
      .description(manifest.title);
    for (const [name, field] of Object.entries(account)) {
      const flags =
        field.type === 'flag'
          ? fieldOption(name).replace('--', field.default ? '--no-' : '--')
          : `${fieldOption(name)} <value>`;
      form.addOption(new Option(flags, `${field.label}: ${field.help}`));
    }
    form
      .option('--replace', 'replace a connector of the same name')
      .option('--accept-move', 'with --replace on a server: its endpoints and jobs may be led to another store by it')
      .option('--no-check', 'save it without signing in')
      .action((name: string | undefined, given: Record<string, string | boolean>) =>
        start(async (session) => {
          const { replace, check, acceptMove, ...rest } = given;
          const fields = Object.fromEntries(
            Object.keys(account).flatMap((field) => {
              const value = rest[optionKey(field)];
              const isUntouched =
                value === undefined || (account[field]?.type === 'flag' && value === account[field].default);
              return isUntouched ? [] : [[field, value]];
            }),
          );
          const options = {
            given: fields,
            check: check !== false,
            replace: replace === true,
            acceptMove: acceptMove === true,
          };
          if (session.server !== null) return addConnectorAt(session, manifest.id, name, options);
          return addConnector(session, manifest.id, nameHere(name), options);
        }),
      );
  }
}

/** A name is how places on this machine are written. */
function nameHere(name: string | undefined): string {
  if (name !== undefined) return name;
  throw new DroverError('USAGE', 'A connector needs a name.', {
    field: 'name',
    remedy: 'Write it behind the provider: drover connector add s3 NAME.',
  });
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

/** How commander names the value of a field's option. */
function optionKey(field: string): string {
  return new Option(`${fieldOption(field)} <value>`).attributeName();
}
