/** When the source of a job can be left: never while anything speaks against its copy, or nobody has looked. */
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FleetTest, JobOptions, MemoryJob } from '../../../test/control/fleet-world.ts';
import { PERSON } from '../../../test/control/made.ts';
import { openReportsTest, type ReportsTest } from '../../../test/control/reports-world.ts';
import { DroverError } from '../../model/errors.ts';
import { DEFAULT_POLICY } from '../../model/policy.ts';
import type { Run } from '../entities.ts';
import { sourceToLeave } from './leaving.ts';
import type { ValidationReport } from './report.ts';
import type { ReportsWithWork } from './service.ts';

let fleet: FleetTest;
let reports: ReportsWithWork;
let run: ReportsTest['run'];
const NEVER = new AbortController().signal;

beforeAll(async () => {
  ({ fleet, reports, run } = await openReportsTest());
});
afterAll(() => fleet[Symbol.asyncDispose]());

async function report(runId: string, spotCheck = 100): Promise<ValidationReport> {
  const { id } = await reports.request(PERSON, runId, 'report-json', { spotCheck });
  while ((await reports.tick(NEVER)) > 0);
  const chunks: Uint8Array[] = [];
  for await (const chunk of (await reports.download(PERSON, id)).content) chunks.push(chunk);
  await reports.remove(PERSON, id);
  return JSON.parse(JSON.parse(Buffer.concat(chunks).toString()).report);
}

const ask = (job: MemoryJob) => reports.whatCanGo(PERSON, job.jobId);

/** Copied, validated, and reported on: all as it must be. */
async function proved(options: JobOptions = {}): Promise<{ job: MemoryJob; validation: Run }> {
  const job = await fleet.job({ objects: 5, ...options });
  await run(job);
  const validation = await run(job, { kind: 'validate' });
  await report(validation.id);
  expect(await ask(job)).not.toHaveLength(0);
  return { job, validation };
}

describe('what can go', () => {
  test('is told only after a clean validation that is newer than every transfer', async () => {
    const job = await fleet.job({ objects: 5 });
    await run(job);
    await expect(ask(job)).rejects.toMatchObject({ code: 'WRONG_STATE' });
    const clean = async () => report((await run(job, { kind: 'validate' })).id);
    await clean();
    expect((await ask(job)).map(({ title }) => title).at(-1)).toMatch(/^The connector/);
    job.from.put('box', 'k/new', 'new');
    await run(job, { kind: 'validate' });
    await expect(ask(job)).rejects.toThrow('1 object was missing at the target.');
    await run(job);
    await expect(ask(job)).rejects.toThrow('was not validated since');
    await clean();
    expect(await ask(job)).not.toHaveLength(0);
    await run(job, { kind: 'dry-run' });
    expect(await ask(job)).not.toHaveLength(0);
    await fleet.world.db
      .updateTable('connectors')
      .set({ name: 'Old one' })
      .where('id', '=', job.source.connectorId)
      .execute();
    expect((await ask(job)).at(-1)?.title).toBe('The connector "Old one"');
  });

  test('is told only after a report that has compared and read back, and the refusal says how it is made', async () => {
    const job = await fleet.job({ objects: 5 });
    await run(job);
    const { id } = await run(job, { kind: 'validate' });
    await expect(ask(job)).rejects.toMatchObject({
      code: 'WRONG_STATE',
      remedy: `Make one, and ask again: drover run report ${id} --out report.html --spot-check 100`,
    });
    await report(id, 0);
    await expect(ask(job)).rejects.toThrow('Nothing was read back. It was not asked for.');
    await report(id);
    expect(await ask(job)).not.toHaveLength(0);
  });

  test('is closed by a report that finds what the validation could not, until the next validation', async () => {
    const { job, validation } = await proved();
    // Of the same length, and with a digest that lies.
    job.to.hooks.reading = (key, content) => (key === 'k/000003' ? Buffer.from(content).fill(0) : content);
    expect((await report(validation.id)).readBack).toMatchObject({ different: 1 });
    await expect(ask(job)).rejects.toThrow('1 object read back and differed.');
    job.to.hooks.reading = (_key, content) => content;
    // One that finds nothing does not take that back, nor does it go with its file.
    expect((await report(validation.id)).isClean).toBe(true);
    await expect(ask(job)).rejects.toThrow('1 object read back and differed.');
    const again = await run(job, { kind: 'validate' });
    await expect(ask(job)).rejects.toThrow('No report of the last validation');
    await report(again.id);
    expect(await ask(job)).not.toHaveLength(0);
  });

  test('is closed by a report that finds less at the target', async () => {
    const { job, validation } = await proved();
    for (const key of job.to.keys('box').slice(0, 3)) job.to.remove('box', key);
    expect((await report(validation.id)).isClean).toBe(false);
    await expect(ask(job)).rejects.toThrow('3 objects were at the source now and not at the target.');
  });

  test('is closed by a report that could not look, until one can', async () => {
    const { job, validation } = await proved();
    job.to.hooks.before = async () => {
      throw new DroverError('UNREACHABLE', 'It is away.');
    };
    await report(validation.id);
    await expect(ask(job)).rejects.toMatchObject({ remedy: expect.stringContaining('Make another') });
    job.to.hooks.before = null;
    await report(validation.id);
    expect(await ask(job)).not.toHaveLength(0);
  });

  test.each([
    ['/backup/photos', '', '/backup', 'photos/'],
    ['/backup', '', '/backup/photos', ''],
    ['/backup/', 'photos/', '/backup/photos/2020/', ''],
  ])('is closed by what was written there under another name of the folder: %s %s, %s %s', async (...names) => {
    const [container, prefix, otherContainer, otherPrefix] = names;
    const { job, validation } = await proved();
    const other = await run(await fleet.job({ objects: 1 }));
    const place = (id: string, folder: string, below: string) =>
      sql`UPDATE runs SET target_fingerprint = ${names.join()}, target_container = ${folder}, target_prefix = ${below}
        WHERE id = ${id}`.execute(fleet.world.db);
    await place(validation.id, container, prefix);
    await place(other.id, `/else${otherContainer}`, otherPrefix);
    expect(await ask(job)).not.toHaveLength(0);
    await place(other.id, otherContainer, otherPrefix);
    await expect(ask(job)).rejects.toThrow('has written to the same place at the target since the validation.');
  });

  test('is closed by whatever another job wrote to the same place since', async () => {
    const { job } = await proved();
    await run(await fleet.job({ objects: 1 }));
    expect(await ask(job)).not.toHaveLength(0);
    await run(await fleet.job({ objects: 1, sharing: job, targetPrefix: 'k/' }));
    await expect(ask(job)).rejects.toThrow('has written to the same place at the target since the validation.');
    await report((await run(job, { kind: 'validate' })).id);
    expect(await ask(job)).not.toHaveLength(0);
  });

  test.each([
    [true, 0],
    [false, 2],
  ])(
    'is not closed by what is deleted at the source but for its versions; the target keeps some: %s',
    async (isVersioned, excluded) => {
      const job = await fleet.job({
        objects: 3,
        settings: { versions: 'all' },
        sourceBehaviour: { isVersioned: true },
        targetBehaviour: { isVersioned },
      });
      for (const content of ['one', 'two']) job.from.put('box', 'gone', content);
      job.from.put('box', 'gone', '', { kind: 'opaque', nativeType: 'delete-marker' });
      for (let times = 0; times < 2; times++) expect((await run(job)).state).toBe('succeeded');
      expect(job.to.keys('box')).not.toContain('gone');
      const validation = await run(job, { kind: 'validate' });
      expect(validation.state).toBe('succeeded');
      expect(await report(validation.id)).toMatchObject({ isClean: true, findings: [] });
      expect(await ask(job)).not.toHaveLength(0);
      expect(await sourceToLeave(fleet.world, job.jobId)).toMatchObject({ excluded });
    },
  );

  test('knows of the filter of the job, also where it left nothing out', async () => {
    const filter = { ...DEFAULT_POLICY.filter, exclude: ['*.tmp'] };
    const { job } = await proved({ settings: { filter } });
    expect(await sourceToLeave(fleet.world, job.jobId)).toMatchObject({ hasFilter: true, excluded: 0 });
    job.from.put('box', 'left.tmp', 'out');
    await report((await run(job, { kind: 'validate' })).id);
    expect(await sourceToLeave(fleet.world, job.jobId)).toMatchObject({ hasFilter: true, excluded: 1 });
    const { job: whole } = await proved();
    expect(await sourceToLeave(fleet.world, whole.jobId)).toMatchObject({ hasFilter: false, excluded: 0 });
  });
});

describe('a job between two stores that tell no digests', () => {
  /** One object differs at the target, in content alone. */
  async function silent(settings: JobOptions['settings'] = {}): Promise<MemoryJob> {
    const job = await fleet.job({ objects: 0, settings, targetBehaviour: { listedDigests: [] } });
    Object.assign(job.from.behaviour, { listedDigests: [] });
    for (const [store, content] of [
      [job.from, 'AAAA'],
      [job.to, 'XXXX'],
    ] as const) {
      store.put('box', 'other', content, { modifiedAtMs: store === job.from ? 1_000 : 2_000_000 });
      store.put('box', 'same', 'SSSS', { modifiedAtMs: store === job.from ? 1_000 : 2_000_000 });
    }
    return job;
  }

  const UNPROVED = '2 objects were compared by size alone and so not proved, which this job does not accept.';

  test.each(['at once', 'after transfers that needed to move nothing'])(
    'is never called clean %s, nor can its source be left',
    async (when) => {
      const job = await silent();
      if (when !== 'at once') {
        for (let round = 0; round < 2; round++) {
          expect(await run(job)).toMatchObject({ state: 'completed-with-issues', counters: { sameWeak: 2 } });
        }
      }
      const validation = await run(job, { kind: 'validate' });
      expect(validation).toMatchObject({ state: 'completed-with-issues', counters: { sameWeak: 2 } });
      await expect(ask(job)).rejects.toMatchObject({
        message: expect.stringContaining(UNPROVED),
        remedy: expect.stringContaining('--verify read-back'),
      });
      const found = await report(validation.id);
      expect(found.isClean).toBe(false);
      expect(found.findings).toContain(UNPROVED);
      expect(found.findings).toContain(
        '2 objects were compared now by size alone and so not proved, which this job does not accept.',
      );
    },
  );

  test('that accepts it ends well, and its source cannot be left all the same', async () => {
    const job = await silent({ acceptV0: true });
    const validation = await run(job, { kind: 'validate' });
    expect(validation).toMatchObject({ state: 'succeeded', counters: { sameWeak: 2 } });
    await report(validation.id);
    await expect(ask(job)).rejects.toThrow('compared by size alone');
  });

  test('can be validated by reading both sides, which finds what differs', async () => {
    const job = await silent();
    const found = await run(job, { kind: 'validate', verify: 'read-back' });
    expect(found).toMatchObject({
      state: 'completed-with-issues',
      counters: { sameWeak: 0, items: { same: 1 }, differences: { different: 1 } },
    });
    await expect(ask(job)).rejects.toThrow('1 object was different at the target.');
    job.to.put('box', 'other', 'AAAA', { modifiedAtMs: 3_000_000 });
    const clean = await run(job, { kind: 'validate', verify: 'read-back' });
    expect(clean).toMatchObject({ state: 'succeeded', counters: { sameWeak: 0, items: { same: 2 } } });
    // What it has read is known to its report, as long as nobody writes there.
    const reads = [job.from.requests.GET, job.to.requests.GET];
    expect(await report(clean.id, 0)).toMatchObject({ isClean: true, bothSides: { same: 2, sameWeak: 0 } });
    expect([job.from.requests.GET, job.to.requests.GET]).toEqual(reads);
    await report(clean.id);
    expect(await ask(job)).not.toHaveLength(0);
    job.to.put('box', 'other', 'YYYY', { modifiedAtMs: 4_000_000 });
    expect(await report(clean.id, 0)).toMatchObject({ isClean: false });
    await expect(ask(job)).rejects.toMatchObject({ code: 'WRONG_STATE' });
  });
});
