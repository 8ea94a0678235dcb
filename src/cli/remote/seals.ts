/** `artifact key|verify`: whether a report is what a server made of a run. The second works without any server. */
import type { Command } from 'commander';
import { checkSeal } from '../../lib/report-seal.ts';
import { DroverError } from '../../model/errors.ts';
import { EXIT } from '../exit.ts';
import type { Start } from '../program.ts';
import type { CommandEnd, Session } from '../session.ts';
import { visible } from '../terminal.ts';
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
    .argument('<file>', 'a validation report, as page or as JSON')
    .requiredOption('--key <key>', 'what "drover artifact key" has printed, or a file that holds it')
    .description('say whether a report is as the server made it, and what was changed; works without a server')
    .action((file: string, { key }: { key: string }) => startHere((session) => verifyFile(session, file, key)));
}

async function verifyFile(session: Session, file: string, given: string): Promise<CommandEnd> {
  const { terminal, world } = session;
  const text = await world.readTextFile(file);
  if (text === null) {
    throw new DroverError('INVALID_INPUT', `There is no file ${visible(file)}.`, {
      field: 'FILE',
      remedy: 'Give the path of a report that was saved.',
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
