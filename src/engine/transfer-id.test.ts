import { describe, expect, it } from 'vitest';
import { DEFAULT_POLICY, type Policy } from '../model/policy.ts';
import { canonicalJson, pairIdOf, transferIdOf } from './transfer-id.ts';
import type { EndIdentity } from './transfer-id.ts';

const SOURCE: EndIdentity = {
  provider: 's3',
  fingerprint: 's3:aws:1',
  place: { container: 'photos', prefix: '' },
  only: null,
};
const TARGET: EndIdentity = { ...SOURCE, fingerprint: 's3:aws:2' };
const BASE = { command: 'copy', source: SOURCE, target: TARGET, policy: DEFAULT_POLICY };
const filtered = (filter: Partial<Policy['filter']>): Policy => ({
  ...DEFAULT_POLICY,
  filter: { ...DEFAULT_POLICY.filter, ...filter },
});

describe('transferIdOf', () => {
  it('is 26 letters and digits that never change', () => {
    expect(transferIdOf(BASE)).toMatch(/^[a-z2-7]{26}$/);
    // Stored with runs: a change of this value would make every unfinished run unfindable.
    expect(transferIdOf(BASE)).toBe('qesr5dyw4gzhpjaceftos36h5a');
    expect(pairIdOf(SOURCE, TARGET)).toBe('tr53ngahy6z2ufajbn3pgcwzql');
  });

  const others: readonly [string, Parameters<typeof transferIdOf>[0]][] = [
    ['command', { ...BASE, command: 'sync' }],
    ['provider', { ...BASE, source: { ...SOURCE, provider: 'azure-blob' } }],
    ['account', { ...BASE, source: { ...SOURCE, fingerprint: 's3:aws:3' } }],
    ['container', { ...BASE, target: { ...TARGET, place: { container: 'b', prefix: '' } } }],
    ['prefix', { ...BASE, target: { ...TARGET, place: { container: 'photos', prefix: 'x/' } } }],
    ['single object', { ...BASE, source: { ...SOURCE, only: 'a' } }],
    ['direction', { ...BASE, source: TARGET, target: SOURCE }],
    ['mode', { ...BASE, policy: { ...DEFAULT_POLICY, mode: 'mirror' } }],
    ['dry run', { ...BASE, policy: { ...DEFAULT_POLICY, dryRun: true } }],
    ['filter', { ...BASE, policy: filtered({ exclude: ['*.tmp'] }) }],
    ['written before', { ...BASE, policy: filtered({ modifiedBeforeMs: 5 }) }],
    ['written after', { ...BASE, policy: filtered({ modifiedAfterMs: 5 }) }],
    ['include instead of exclude', { ...BASE, policy: filtered({ include: ['*.tmp'] }) }],
    ['restore', { ...BASE, policy: { ...DEFAULT_POLICY, archived: { tier: 'Bulk', days: 1 } } }],
    ['cap by default', { ...BASE, policy: { ...DEFAULT_POLICY, deleteShareMax: 'default' } }],
    ['the same cap, chosen', { ...BASE, policy: { ...DEFAULT_POLICY, deleteShareMax: 0.5 } }],
    ['cap', { ...BASE, policy: { ...DEFAULT_POLICY, deleteMax: 5 } }],
  ];

  it('differs with everything that changes the result', () => {
    const ids = [BASE, ...others.map(([, transfer]) => transfer)].map(transferIdOf);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('does not depend on order, repetition or the name of the connector', () => {
    const one = { ...BASE, policy: filtered({ exclude: ['a', 'b'] }) };
    const two = { ...BASE, policy: filtered({ exclude: ['b', 'a', 'b'] }) };
    expect(transferIdOf(two)).toBe(transferIdOf(one));
    const named = { ...SOURCE, connector: 'acme', label: 'acme:photos' };
    const shuffled = Object.fromEntries(Object.entries(DEFAULT_POLICY).toReversed()) as unknown as Policy;
    expect(transferIdOf({ ...BASE, policy: shuffled })).toBe(transferIdOf(BASE));
    expect(transferIdOf({ ...BASE, source: named })).toBe(transferIdOf(BASE));
  });
});

describe('pairIdOf', () => {
  it('tells places and their order apart', () => {
    const ids = [
      pairIdOf(SOURCE, TARGET),
      pairIdOf(TARGET, SOURCE),
      pairIdOf(SOURCE, { ...TARGET, place: { container: 'photos', prefix: 'x/' } }),
    ];
    expect(new Set(ids).size).toBe(3);
  });

  it('is not fooled by where one field ends and the next begins', () => {
    const a = { ...SOURCE, place: { container: 'a', prefix: 'b/' } };
    const b = { ...SOURCE, place: { container: 'a","prefix":"b/', prefix: '' } };
    expect(pairIdOf(a, TARGET)).not.toBe(pairIdOf(b, TARGET));
  });
});

describe('canonicalJson', () => {
  it('orders members and leaves lists as they are', () => {
    expect(canonicalJson({ b: [2, 1, { d: null, c: 'x' }], a: true })).toBe('{"a":true,"b":[2,1,{"c":"x","d":null}]}');
  });
});
