import { expect, test, vi } from 'vitest';
import { isTimeZone } from './zones.ts';

test.each(['UTC', 'Europe/Berlin', 'europe/berlin', '+02:00'])('%s is one', (name) => {
  expect(isTimeZone(name)).toBe(true);
});

test.each(['', 'Berlin', 'Europe/Nowhere', '__proto__', 'UTC '])('"%s" is none', (name) => {
  expect(isTimeZone(name)).toBe(false);
});

test('a document that names one thousands of times does not hold up the server', () => {
  const looked = vi.spyOn(Intl, 'DateTimeFormat');
  for (let times = 0; times < 10_000; times++) isTimeZone('America/Lima');
  expect(looked).toHaveBeenCalledTimes(1);
  looked.mockRestore();
});
