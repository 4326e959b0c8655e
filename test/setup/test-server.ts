/** The Postgres of the test run, as `global-setup.js` hands it to the processes of Jest. */
export interface TestServer {
  readonly dataDir: string;
  /** Name of the migrated database that tests copy. */
  readonly template: string;
  readonly connection: { host: string; port: number; user: string; database: string };
}

export function testServer(): TestServer {
  return JSON.parse(process.env['MEDIADOCK_TEST_SERVER'] ?? '') as TestServer;
}

/** The address of one of its databases. */
export function urlOf(database: string): string {
  const { user, host } = testServer().connection;
  return `postgresql://${user}@localhost/${database}?host=${encodeURIComponent(host)}`;
}
