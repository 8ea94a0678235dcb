import { expect, test } from 'vitest';
import { DEFAULT_POLICY } from '../../model/policy.ts';
import { DEFAULT_SETTINGS, settingsOf } from './settings.ts';

const withPatterns = (name: 'include' | 'exclude', patterns: readonly string[]) =>
  settingsOf(DEFAULT_SETTINGS, { filter: { ...DEFAULT_POLICY.filter, [name]: patterns } });

test.each(['include', 'exclude'] as const)('patterns to %s are bounded, so that one job slows no other', (name) => {
  const long = 'a'.repeat(4_096);
  expect(withPatterns(name, Array<string>(16).fill(long)).filter[name]).toHaveLength(16);
  expect(() => withPatterns(name, Array<string>(17).fill(long))).toThrow(
    expect.objectContaining({ code: 'INVALID_INPUT', field: `settings.filter.${name}` }) as Error,
  );
  expect(() => withPatterns(name, Array<string>(1_001).fill('a'))).toThrow(/1000 patterns/);
});
