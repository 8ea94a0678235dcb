/** `artifact key|verify`: whether a file is what a server made of a run. The second works without any server. */
import type { Command } from 'commander';
import { checkManifest } from '../../lib/manifest-file.ts';
import { checkSeal } from '../../lib/report-seal.ts';
import { DroverError } from '../../model/errors.ts';
import { EXIT } from '../exit.ts';
import type { Start } from '../program.ts';
import type { CommandEnd, Session } from '../session.ts';
import { visible } from '../terminal.ts';
import { textLines, unpacked } from './packing.ts';
import { answer, fine, record, type RemoteStart } from './remote.ts';

export function addSealCommands(artifact: Command, start: RemoteStart, startHere: Start): void {
  artifact
    .command('key')
    .description('the public key that reports of a server are signed with; keep it where nobody changes it')
    .action(() =>
      start(async ({ http, session }) => {
        const key = await answer(http.GET('/api/v1/report-key'));
        await record(session, 'report-key', key);
        await session.terminal.print(key.publicKey);
      }),
    );
  artifact
    .command('verify')
    .argument('<file>', 'a validation report, as page or as JSON; or a manifest')
    .option('--key <key>', 'of a report: what "drover artifact key" has printed, or a file that holds it')
    .option('--root <root>', 'of a manifest: the manifest root of the run, from its signed report')
    .description('say whether a file is as the server made it, and what was changed; works without a server')
    .action((file: string, given: { key?: string; root?: string }) =>
      startHere((session) =>
        given.root !== undefined || MANIFEST_NAME.test(file)
          ? verifyManifest(session, file, given.root ?? null)
          : verifyReport(session, file, given.key),
      ),
    );
}

const MANIFEST_NAME = /\.ndjson(?:\.gz)?$/i;

/** Its leaves are read and hashed once more: whoever has the file needs nothing else to work out the root. */
async function verifyManifest(session: Session, file: string, root: string | null): Promise<CommandEnd> {
  const { terminal, world, format } = session;
  const content = await world.readBytes(file);
  if (content === null) throw noFile(file);
  const check = await checkManifest(textLines(unpacked(content)), root?.trim().toLowerCase() ?? null);
  const { isWhole, rows, problems } = check;
  await terminal.record({ type: 'manifest', file, ...check });
  const more = root === null ? '\n  Compare the root with that of the signed report, or give it as --root.' : '';
  const words = isWhole
    ? `It is whole: ${format.plural(rows, { one: '# row', other: '# rows' })}, root ${check.root}.${more}`
    : ['It is not as the server made it.', ...problems].join('\n  ');
  await terminal.print(words);
  return { ...fine(session), exit: isWhole ? EXIT.FINE : EXIT.DIFFERENT };
}

function noFile(file: string): DroverError {
  return new DroverError('INVALID_INPUT', `There is no file ${visible(file)}.`, {
    field: 'FILE',
    remedy: 'Give the path of a report or a manifest that was saved.',
  });
}

async function verifyReport(session: Session, file: string, given: string | undefined): Promise<CommandEnd> {
  const { terminal, world } = session;
  const text = await world.readTextFile(file);
  if (text === null) throw noFile(file);
  if (given === undefined) {
    throw new DroverError('USAGE', 'A report is checked with the key of the server that made it.', {
      field: '--key',
      remedy: 'Give what "drover artifact key" has printed.',
    });
  }
  const key = (isKey(given) ? given : ((await world.readTextFile(given)) ?? '')).trim();
  if (!isKey(key)) {
    throw new DroverError('INVALID_INPUT', 'This is no public key of a server, and no file that holds one.', {
      field: '--key',
      remedy: 'Give what "drover artifact key" has printed.',
    });
  }
  const { isGenuine, problems } = checkSeal(text, key);
  await terminal.record({ type: 'seal', file, isGenuine, problems });
  const words = isGenuine
    ? 'It is as the server made it.'
    : ['It is not as the server made it.', ...problems].join('\n  ');
  await terminal.print(words);
  return { ...fine(session), exit: isGenuine ? EXIT.FINE : EXIT.DIFFERENT };
}

/** An Ed25519 key in DER always begins so. */
function isKey(text: string): boolean {
  return /^MCowBQYDK2VwAyEA[A-Za-z0-9+/]{43}=$/.test(text.trim());
}
