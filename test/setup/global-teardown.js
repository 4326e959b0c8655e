import { rm } from 'node:fs/promises';

export default async function globalTeardown() {
  const { testPostgres, testDataDir } = /** @type {any} */ (globalThis);
  await testPostgres?.stop();
  await rm(testDataDir, { recursive: true, force: true });
}
