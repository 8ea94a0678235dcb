import { existsSync } from 'node:fs';
import { inject, test, expect } from 'vitest';
import { LONG } from './sequencer.ts';

test('the test servers answer', async () => {
  const { azurite } = inject('servers');
  const response = await fetch(azurite.endpoint);
  expect(response.status).toBeGreaterThan(0);
});

test('the test files that begin first are there', () => {
  expect(Object.keys(LONG).filter((path) => !existsSync(path))).toEqual([]);
});
