export const TEMPLATE = 'mediadock_template';

/** The Postgres of the test run, as the processes of Jest hand it on. */
export interface TestServer {
  readonly dataDir: string;
  readonly connection: { host: string; port: number; user: string; database: string };
}

export function testServer(): TestServer {
  return JSON.parse(process.env['MEDIADOCK_TEST_SERVER'] ?? '') as TestServer;
}
