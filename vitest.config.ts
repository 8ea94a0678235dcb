import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    globalSetup: ['test/global-setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // A machine that is busy with something else is slow; what comes in time waits no longer for it.
    expect: { poll: { timeout: 30_000 } },
    maxWorkers: 2,
  },
});
