import { randomBytes } from 'node:crypto';
import { Cluster } from '../../cluster/cluster.js';
import { realStore } from './real-store.js';
import { createDatabase, dropDatabase } from './test-app.js';
import { urlOf } from './test-server.js';

/** Whether tests of clients go to two servers behind nginx, chunk by chunk in turn: `npm run test:cluster`. */
export const isClustered = process.env['TEST_CLUSTER'] !== undefined;

/** Two servers, with a database of their own, and in a real object store if there is one. */
export class TestCluster {
  private constructor(
    readonly cluster: Cluster,
    readonly database: string,
  ) {}

  static async start(settings: Record<string, string> = {}): Promise<TestCluster> {
    const database = await createDatabase();
    const store = realStore();
    const prefix = `test/${randomBytes(8).toString('hex')}`;
    const all = { UNSAFE_DATABASE: 'true', ...(store && { ...store, S3_PREFIX: prefix }), ...settings };
    const cluster = await Cluster.start({
      ...{ checkout: process.cwd(), databaseUrl: urlOf(database), settings: all },
    });
    return new TestCluster(cluster, database);
  }

  async stop(): Promise<void> {
    await this.cluster.stop();
    await dropDatabase(this.database);
  }
}
