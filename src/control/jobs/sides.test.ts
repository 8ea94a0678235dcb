/** What is to be granted where a side refuses, in which order; and what stands in the audit log of it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type {
  Account,
  AccountRoles,
  CheckLine,
  CheckWish,
  Place,
  PolicyRequest,
  Use,
} from '../../contract/provider.ts';
import { DroverError } from '../../model/errors.ts';
import { DEFAULT_POLICY } from '../../model/policy.ts';
import type { Preflight, RunKind } from '../entities.ts';
import { openTestWorld, type TestWorld } from '../testing.ts';
import type { OpenConnector } from '../world.ts';
import type { EndFacts, JobFacts } from './rows.ts';
import { assignRole, examineSides } from './sides.ts';

let world: TestWorld;
beforeAll(async () => {
  world = await openTestWorld();
});
afterAll(() => world.close());

const { signal } = new AbortController();
const JOB_ID = '01920000-0000-7000-8000-00000000000a';

const line = (what: CheckLine['what'], result: CheckLine['result']): CheckLine => ({
  what,
  result,
  field: null,
  remedy: null,
  message: `${what} is ${result}.`,
});

interface Stub {
  readonly lines?: readonly CheckLine[];
  readonly roles?: Partial<AccountRoles>;
}

/** A job between two places; `asked` hears what its target is asked for. */
function stub({ lines = [], roles }: Stub, tags: 'preserve' | 'ignore' = 'preserve') {
  const asked: { use: Use; wish: CheckWish | undefined }[] = [];
  const requests: PolicyRequest[] = [];
  const account = {
    identify: async (place: Place) => ({ store: 'stub', ...place }),
    async *check(place: unknown, use: Use, _: AbortSignal, wish?: CheckWish): AsyncGenerator<CheckLine> {
      if ((place as { container: string }).container === 'from') {
        yield line('list', 'ok');
        return;
      }
      asked.push({ use, wish });
      yield* lines;
    },
    policies(request: PolicyRequest) {
      requests.push(request);
      const title = request.withTags ? 'Role "Storage Blob Data Owner" for the identity' : 'A policy';
      return [
        { title, language: 'text', text: 'az … owner' },
        { title: 'A signature', language: 'text', text: 'az … sas' },
      ];
    },
    ...(roles && {
      roles: { nameFor: (use: Use) => `role to ${use}`, command: (on: string) => `az role … ${on}`, ...roles },
    }),
    [Symbol.asyncDispose]: async () => undefined,
  } as unknown as Account;
  const open = (async () => ({ account })) as unknown as OpenConnector;
  const end = (container: string): EndFacts =>
    ({ connectorName: 'Cloud', connectorId: 'c', place: { container, prefix: '' }, fullPath: container }) as EndFacts;
  const job = { id: JOB_ID, name: 'Nightly', settings: { ...DEFAULT_POLICY, tags } } as unknown as JobFacts['job'];
  const facts: JobFacts = { job, source: end('from'), target: end('to'), bandwidth: null };
  const grants = async (kind: RunKind = 'transfer'): Promise<Omit<Preflight['grants'][number], 'side'>[]> => [
    ...(await examineSides(world, open, facts, kind, signal)).target.grants,
  ];
  return { asked, requests, facts, open, grants };
}

describe('what to grant', () => {
  test('a role that Drover may assign by itself comes first, and no greater one is named', async () => {
    const { grants } = stub({ lines: [line('write', 'refused')], roles: { assign: async () => undefined } });
    expect(await grants()).toEqual([
      { title: 'Assign the role "role to write" on "to"', text: 'az role … to', offered: 'assign-role' },
    ]);
  });

  test('where it may not, the command is what is left', async () => {
    const { grants } = stub({ lines: [line('write', 'refused')], roles: {} });
    expect(await grants()).toMatchObject([{ text: 'az role … to', offered: null }]);
  });

  test('an owner is asked for only where tags are carried and were denied, and it is said why', async () => {
    const lines = [line('write', 'refused'), line('tags', 'warning')];
    const carrying = await stub({ lines, roles: {} }).grants();
    expect(carrying.map(({ title }) => title)).toEqual([
      'Assign the role "role to write" on "to"',
      expect.stringMatching(/Owner.*only because the job carries tags/),
    ]);
    const without = stub({ lines: [line('write', 'refused')], roles: {} }, 'ignore');
    expect(await without.grants()).toHaveLength(1);
    expect(without.requests.some(({ withTags }) => withTags)).toBe(false);
  });

  test('without roles, the policies; with everything in order, nothing', async () => {
    expect(await stub({ lines: [line('write', 'refused')] }).grants()).toHaveLength(2);
    expect(await stub({ lines: [line('write', 'ok'), line('delete', 'warning')] }).grants()).toEqual([]);
    // No policy makes a bucket, or brings a network back.
    expect(await stub({ lines: [line('container', 'refused')] }).grants()).toEqual([]);
    // Nor does one let in whose key is not known.
    const lines = [{ ...line('list', 'refused'), field: 'accessKeyId' }, line('write', 'refused')];
    expect(await stub({ lines }).grants()).toEqual([]);
  });
});

test.each([
  ['transfer', 'write'],
  ['retry', 'write'],
  ['validate', 'read'],
  ['dry-run', 'read'],
] as const)('a %s asks its target only whether it may %s', async (kind, use) => {
  const { asked, grants } = stub({}, 'ignore');
  await grants(kind);
  expect(asked).toEqual([{ use, wish: { tags: false, deletes: false, mayBeAbsent: true } }]);
});

describe('assigning a role', () => {
  const audited = async () =>
    world.db.selectFrom('audit').selectAll().where('action', '=', 'job.grant').orderBy('at', 'desc').execute();

  test('is audited, also when it is refused', async () => {
    const admin = world.as('admin');
    const fine = stub({ roles: { assign: async () => undefined } });
    await assignRole(world, fine.open, admin, fine.facts, 'target', signal);
    const denied = new DroverError('PERMISSION_DENIED', 'This identity may not assign roles.');
    const refused = stub({ roles: { assign: () => Promise.reject(denied) } });
    await expect(assignRole(world, refused.open, admin, refused.facts, 'source', signal)).rejects.toBe(denied);
    const rows = await audited();
    expect(rows).toHaveLength(2);
    const changes = rows.map(({ changes: one }) => one);
    const scope = (container: string) => [null, `Cloud: ${container}`];
    expect(changes).toContainEqual({ side: [null, 'target'], role: [null, 'role to write'], scope: scope('to') });
    const source = { side: [null, 'source'], role: [null, 'role to read'], scope: scope('from') };
    expect(changes).toContainEqual({ ...source, refused: [null, 'PERMISSION_DENIED'] });
    expect(rows[0]).toMatchObject({ entity_id: JOB_ID, entity_name: 'Nightly', actor_name: 'some admin' });
  });

  test('where there are none, is refused', async () => {
    const { open, facts } = stub({});
    const asking = assignRole(world, open, world.as('admin'), facts, 'target', signal);
    await expect(asking).rejects.toMatchObject({ code: 'WRONG_STATE' });
  });
});
