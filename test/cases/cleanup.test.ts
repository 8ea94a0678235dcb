/** Answers that were lost after the deed, and clearing away that must not hit what somebody else did since. */
import { describe, expect, test } from 'vitest';
import { DroverError } from '../../src/model/errors.ts';
import { HONEST_FACTS } from '../../src/providers/memory/provider.ts';
import { openBench, sumsAgree } from '../engine/bench.ts';
import { BARE, hastyClock, MIB, openClouds } from './world.ts';

describe('a commit whose answer was lost (case 11)', () => {
  for (const to of ['s3', 'azure'] as const) {
    for (const [what, operations, content] of [
      ['one write', ['PUT'], Buffer.from('small')],
      ['an upload in parts', ['COMPLETE', 'COMMIT'], Buffer.alloc(20 * MIB, 'drover')],
    ] as const) {
      test(`${what} to ${to} is recognised as our own`, async () => {
        let lost = 0;
        await using clouds = await openClouds({
          from: 's3',
          to,
          target: {
            plan: ({ request }) =>
              (operations as readonly string[]).includes(request.operation) && lost++ === 0
                ? { kind: 'lost-answer' }
                : null,
          },
        });
        clouds.s3.put('inside', 'a', content, BARE);
        const result = await clouds.run();
        expect(lost).toBeGreaterThan(0);
        expect(result.run.counters.items).toMatchObject({ copied: 1, failed: 0 });
        const stored = to === 's3' ? clouds.s3.bytes('outside', 'a') : clouds.azure.bytes('outside', 'a');
        expect(stored?.equals(content)).toBe(true);
        expect(clouds.s3.bucket('outside').uploads.size).toBe(0);
        expect(result.run.counters.verification.V0).toBe(0);
        expect((await clouds.log(result))[0]?.attempts, 'it was not sent again').toBe(1);
      });
    }
  }

  test('a lost answer to a deletion is a deletion', async () => {
    await using bench = await openBench({}, {}, hastyClock());
    bench.source.put('in', 'kept', '1');
    bench.target.put('out', 'gone', '2');
    let lost = 0;
    bench.target.hooks.after = (operation) => {
      if (operation === 'DELETE' && lost++ === 0) throw new DroverError('UNAVAILABLE', 'The answer was lost.');
    };
    const result = await bench.run({ mode: 'mirror' });
    expect(lost).toBe(2);
    expect(result.run.counters.items).toMatchObject({ copied: 1, deleted: 1, failed: 0 });
    sumsAgree(result, await bench.log(result));
  });
});

describe('clearing away (case 13)', () => {
  test('a mirror leaves what was written after it had been listed', async () => {
    await using bench = await openBench({}, {}, hastyClock());
    bench.source.put('in', 'kept', '1');
    bench.target.put('out', 'extra', 'old');
    bench.target.hooks.before = (operation) => {
      if (operation !== 'DELETE') return;
      bench.target.hooks.before = null;
      bench.target.put('out', 'extra', 'somebody wrote this a moment ago');
    };
    const result = await bench.run({ mode: 'mirror' });
    expect(bench.target.text('out', 'extra')).toBe('somebody wrote this a moment ago');
    expect(result.run.counters.items).toMatchObject({ deleted: 0 });
    expect(result.run.state).toBe('completed-with-issues');
  });

  test('a copy that the store itself has bent does not stay', async () => {
    // The store takes any digest, so that only what it returns tells what it holds.
    const facts = { ...HONEST_FACTS, contentMd5: 'ignored', checksums: {} } as const;
    await using bench = await openBench({}, { facts }, hastyClock());
    bench.source.put('in', 'a', 'content');
    bench.target.hooks.arriving = (_key, content) => {
      const bent = content.slice();
      bent[0] = (bent[0] ?? 0) ^ 1;
      return bent;
    };
    const result = await bench.run();
    expect(result.run.counters.items).toMatchObject({ copied: 0, failed: 1 });
    expect((await bench.log(result))[0]).toMatchObject({ code: 'CORRUPTED' });
    expect(bench.content(bench.target)).toEqual({});
  });

  test('and when somebody has replaced it meanwhile, that one stays', async () => {
    const facts = { ...HONEST_FACTS, contentMd5: 'ignored', checksums: {} } as const;
    await using bench = await openBench({}, { facts }, hastyClock());
    bench.source.put('in', 'a', 'content');
    bench.target.hooks.arriving = (_key, content) => content.map((byte) => byte ^ 1);
    bench.target.hooks.before = (operation) => {
      if (operation === 'DELETE') bench.target.put('out', 'a', 'of somebody else');
      // Nobody may try again: what counts is what the removal does.
      if (operation === 'HEAD') throw new DroverError('PERMISSION_DENIED', 'No looking.');
    };
    await bench.run();
    expect(bench.target.text('out', 'a')).toBe('of somebody else');
  });

  test('a failed upload is aborted, and only that one', async () => {
    await using clouds = await openClouds({
      from: 's3',
      to: 's3',
      target: {
        plan: ({ request }) =>
          request.operation === 'PART' ? { kind: 'status', status: 403, code: 'AccessDenied' } : null,
      },
    });
    clouds.s3.put('inside', 'a', Buffer.alloc(20 * MIB, 'x'), BARE);
    const result = await clouds.run();
    expect(result.run.counters.items).toMatchObject({ copied: 0, failed: 1 });
    expect((await clouds.log(result))[0]).toMatchObject({ code: 'PERMISSION_DENIED' });
    expect(clouds.s3.bucket('outside').uploads.size).toBe(0);
  });
});
