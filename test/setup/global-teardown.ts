import { rm } from 'node:fs/promises';
import type { EmbeddedPostgres } from '../../src/database/embedded-postgres.js';
import { testServer } from './test-server.js';

export default async function globalTeardown(): Promise<void> {
  await (globalThis as { testPostgres?: EmbeddedPostgres }).testPostgres?.stop();
  await rm(testServer().dataDir, { recursive: true, force: true });
}
