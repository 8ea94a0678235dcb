/** What a run is made of: its log, what did not make it, its workers, its segments, its map. */
import { ERRORS } from '../../model/errors.ts';
import { CodeWords } from '../code-words.ts';
import { formatDuration, type Format } from '../format.ts';
import { parseChoices } from '../units.ts';
import { showList, type ListGiven } from './lists.ts';
import { nothingListed } from './nothing-listed.ts';
import { answer, record, type Remote, type Wire } from './remote.ts';
import { table } from './table.ts';
import { timeOf } from './words.ts';

type Run = Wire['Run'];

export async function listRunLog(remote: Remote, { id }: Run, given: ListGiven): Promise<void> {
  const { format } = remote.session;
  await showList<Wire['RunLogLine']>(
    remote,
    given,
    {},
    {
      kind: 'run-log',
      none: 'Nothing was logged yet.',
      columns: [
        { title: 'Time', text: ({ at }) => timeOf(at, format) },
        { title: 'Level', text: ({ level }) => level },
        { title: 'Code', text: ({ code }) => code ?? '' },
        { title: 'Message', text: ({ message }) => message },
      ],
      page: (query) => remote.http.GET('/api/v1/runs/{id}/log', { params: { path: { id }, query } }),
    },
  );
}

/** What a server keeps of the items of a run; everything else is in the copy log alone. */
const LISTED_RESULTS = ['failed', 'unsupported'] as const;

export async function listItems(
  remote: Remote,
  run: Run,
  { result, code, ...given }: ListGiven & { readonly result?: string; readonly code?: string },
): Promise<void> {
  const { id } = run;
  const { session, http } = remote;
  const { format } = session;
  // A mistyped word would find nothing, and read as if everything had made it.
  const fixed = {
    result: parseChoices(result, '--result', LISTED_RESULTS),
    code: parseChoices(code, '--code', Object.keys(ERRORS)),
  };
  const isFiltered = [result, code, given.search, given.filter].some((filter) => filter !== undefined);
  let isComplete = true;
  const words = new CodeWords();
  await showList<Wire['RunItem']>(remote, given, fixed, {
    kind: 'item',
    none: isFiltered
      ? 'None of that kind. Only what failed or is unsupported is listed here; the copy log has every item.'
      : nothingListed(run, format),
    columns: [
      { title: 'Result', text: (item) => item.result },
      { title: 'Code', text: (item) => item.code },
      { title: 'Side', text: ({ side }) => side ?? '' },
      { title: 'Size', text: ({ sizeBytes }) => format.bytes(sizeBytes), isNumber: true },
      {
        title: 'Tries',
        text: ({ attempts }) => (attempts === undefined ? '' : format.count(attempts)),
        isNumber: true,
      },
      { title: 'Key', text: ({ key }) => key },
      { title: 'Details', text: ({ details }) => details ?? '' },
    ],
    page: async (query) => {
      const { data } = await http.GET('/api/v1/runs/{id}/items', { params: { path: { id }, query } });
      isComplete &&= data?.complete ?? true;
      for (const item of data?.items ?? []) words.saw(item.code);
      return data === undefined ? {} : { data };
    },
  });
  await words.say(session);
  if (isComplete) return;
  await session.terminal.say(
    `Only the first ${format.count(100_000)} can be searched. All of them: drover run report ${id} --kind copy-log-csv --out copy-log.csv`,
  );
}

export async function listSegments(remote: Remote, { id }: Run, given: ListGiven): Promise<void> {
  const { format } = remote.session;
  await showList<Wire['RunSegment']>(
    remote,
    given,
    {},
    {
      kind: 'segment',
      none: 'It has no segments yet.',
      columns: [
        { title: 'Segment', text: ({ segmentId }) => segmentId },
        { title: 'Kind', text: ({ kind }) => kind },
        { title: 'State', text: ({ state }) => state },
        { title: 'Worker', text: ({ worker }) => worker ?? '–' },
        { title: 'Scanned', text: ({ counters }) => format.count(counters.items.scanned), isNumber: true },
        { title: 'From', text: ({ from }) => from ?? 'the first key' },
        { title: 'To', text: ({ to }) => to ?? 'the last key' },
      ],
      page: (query) => remote.http.GET('/api/v1/runs/{id}/segments', { params: { path: { id }, query } }),
    },
  );
}

export async function listRunWorkers({ session, http }: Remote, { id }: Run): Promise<void> {
  const { format, terminal } = session;
  const all = await answer(http.GET('/api/v1/runs/{id}/workers', { params: { path: { id } } }));
  for (const worker of all) await record(session, 'run-worker', worker);
  if (all.length === 0) return terminal.print('Nobody has worked on it yet.');
  await terminal.print(
    table<Wire['RunWorker']>(
      [
        { title: 'Worker', text: ({ name, id: worker }) => name ?? worker },
        { title: 'Joined', text: ({ joinedAt }) => timeOf(joinedAt, format) },
        { title: 'Left', text: (worker) => leftText(worker, format) },
        { title: 'Items', text: ({ items }) => format.count(items), isNumber: true },
        { title: 'Claims', text: ({ claims }) => format.count(claims), isNumber: true },
        { title: 'Taken over', text: ({ takeovers }) => format.count(takeovers), isNumber: true },
        { title: 'Waits', text: ({ waits }) => format.count(waits), isNumber: true },
        { title: 'Idle', text: ({ idleMs }) => formatDuration(idleMs), isNumber: true },
      ],
      all,
    ),
  );
}

function leftText({ state, leftAt, lastSeenAt }: Wire['RunWorker'], format: Format): string {
  if (state === 'at-work') return 'at work';
  return state === 'lost' ? `lost, last seen ${timeOf(lastSeenAt, format)}` : timeOf(leftAt, format);
}

const SIGNS: Readonly<Record<Wire['RunMap']['cells'][number]['state'], string>> = {
  waiting: '·',
  listing: '▒',
  done: '█',
  issues: '!',
  failed: '✗',
};

export async function showMap({ session, http }: Remote, { id }: Run, cells: number): Promise<void> {
  const params = { path: { id }, query: { cells } };
  const map = await answer(http.GET('/api/v1/runs/{id}/map', { params }));
  for (const cell of map.cells) await record(session, 'cell', cell);
  const width = Math.max(20, Math.min(120, session.terminal.stderr.columns()));
  // As wide as they are of the whole: where little is known yet, cells are few.
  const signs: string[] = [];
  let passed = 0;
  for (const { state, share } of map.cells) {
    passed += share;
    const end = Math.max(signs.length + 1, Math.round(passed * cells));
    while (signs.length < end) signs.push(SIGNS[state]);
  }
  const lines = Array.from({ length: Math.ceil(signs.length / width) }, (_, at) =>
    signs.slice(at * width, (at + 1) * width).join(''),
  );
  await session.terminal.print([...lines, '█ done  ▒ at work  · waiting  ! issues  ✗ failed'].join('\n'));
}
