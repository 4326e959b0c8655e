import type pg from 'pg';
import { signToken } from '../../src/auth/token.js';
import { loadConfig } from '../../src/config/load-config.js';
import { isClustered, TestCluster } from './cluster.js';
import { ask, JWT_SECRET, TestApp } from './test-app.js';

/** What clients meet: a server, or a cluster of them. */
export type UnderTest = Pick<TestApp, 'url' | 'token' | 'sql' | 'stop'>;

/** @param settings environment variables over those of a test */
export async function startUnderTest(settings: Record<string, string> = {}): Promise<UnderTest> {
  if (!isClustered) return await TestApp.start(settings);
  const { tokens } = loadConfig({ JWT_SECRET });
  const started = await TestCluster.start({ NODE_ENV: 'test', JWT_SECRET, ...settings });
  return {
    url: started.cluster.url,
    token: (userId = '7') => signToken(tokens, userId),
    sql: <Row extends pg.QueryResultRow>(text: string, values?: unknown[]) =>
      ask<Row>(started.database, text, values),
    stop: () => started.stop(),
  };
}
