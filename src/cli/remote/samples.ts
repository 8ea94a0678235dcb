/** `sample create|show|remove`: something to move before there is an account. */
import type { Command } from 'commander';
import type { Format } from '../format.ts';
import { answer, record, type Remote, type RemoteStart, type Wire } from './remote.ts';

export function addSamples(program: Command, start: RemoteStart): void {
  const sample = program.command('sample').description('sample data on a server, for trying Drover');
  sample
    .command('create')
    .description('make some hundred files with hard names on the server, and a job that copies them')
    .action(() =>
      start(async (remote) =>
        show(remote, await answer(remote.http.POST('/api/v1/samples', { signal: remote.session.signal }))),
      ),
    );
  sample
    .command('show')
    .description('where the sample data is')
    .action(() => start(async (remote) => show(remote, await answer(remote.http.GET('/api/v1/samples')))));
  sample
    .command('remove')
    .description('take it away again: its folder, connector, endpoints, project, job and runs')
    .action(() => start(remove));
}

async function show({ session }: Remote, { sample }: Wire['Samples']): Promise<void> {
  const { terminal } = session;
  if (sample === null) {
    await terminal.print('There is no sample data. Make some with "drover sample create".');
    return;
  }
  await record(session, 'sample', sample);
  await terminal.print(sampleText(sample, session.format));
}

/** Beside its files there is one empty folder, which a run counts as an object. */
export function sampleText(sample: NonNullable<Wire['Samples']['sample']>, format: Format): string {
  const files = format.plural(sample.files, { one: '# file', other: '# files' });
  const objects = format.plural(sample.files + 1, { one: '# object', other: '# objects' });
  return [
    `${files} and an empty folder in ${sample.folder} on the server, and a job that copies them: ${objects}.`,
    ...(sample.jobId === null ? [] : [`Start it with: drover job start ${sample.jobId} --watch`]),
  ].join('\n');
}

async function remove({ http, session }: Remote): Promise<void> {
  await http.DELETE('/api/v1/samples');
  await record(session, 'removed', { kind: 'sample' });
  await session.terminal.print('The sample data is gone.');
}
