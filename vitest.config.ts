import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: ['test/support/seed.ts'],
    // Real processes, files and sockets: generous, so that a slow machine is no failure.
    testTimeout: 120_000,
    hookTimeout: 60_000,
    pool: 'forks',
  },
})
