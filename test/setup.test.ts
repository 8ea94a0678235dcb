import { inject, test, expect } from 'vitest';

test('the test servers answer', async () => {
  const { azurite } = inject('servers');
  const response = await fetch(azurite.endpoint);
  expect(response.status).toBeGreaterThan(0);
});
