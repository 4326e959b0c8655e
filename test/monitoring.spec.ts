import { jest } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { UploadStore } from '../src/media/uploads/sessions/upload-store.js';
import { collectProcessMetrics, serveMetrics } from '../src/metrics/metrics-server.js';
import { Client } from './setup/client.js';
import { freePort } from '../scripts/free-port.js';
import { TestApp } from './setup/test-app.js';

const ALERTS = 'monitoring/alerts.yml';
const DASHBOARD = 'monitoring/grafana-dashboard.json';

describe('the alert rules and the dashboard', () => {
  let metrics: string;
  /** Before a bug, and after. */
  let errors: (string | undefined)[];

  beforeAll(async () => {
    const port = await freePort();
    const server = await TestApp.start({ METRICS_PORT: String(port) });
    collectProcessMetrics();
    const scraped = await serveMetrics(port, server.config);
    const client = await Client.of(server);
    const id = await client.upload(Buffer.from('one line\n'));
    await client.complete(id, '0'.repeat(32));
    const scrape = async () => await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    const before = await scrape();
    jest.spyOn(server.app.get(UploadStore), 'page').mockRejectedValueOnce(new Error('a bug'));
    await client.send('GET', '/api/v2/media/upload/');
    metrics = await scrape();
    errors = [before, metrics].map((text) => /^mediadock_internal_errors_total (\d+)$/m.exec(text)?.[1]);
    scraped.close();
    await server.stop();
  });

  it.each([ALERTS, DASHBOARD])('%s names metrics and routes that the server has', (path) => {
    // Prometheus makes `up` itself.
    const named = namesIn(expressionsIn(path)).filter((name) => name !== 'up');
    expect(named.length).toBeGreaterThan(5);
    expect(named.filter((name) => !new RegExp(`^${name}(\\{| )`, 'm').test(metrics))).toEqual([]);
    const routes = expressionsIn(path).flatMap((text) => text.match(/route="[^"]+"/g) ?? []);
    expect(routes.length).toBeGreaterThan(0);
    expect(routes.filter((route) => !metrics.includes(route))).toEqual([]);
  });

  it('an alert sees the first internal error: its counter begins at 0', () => {
    expect(errors).toEqual(['0', '1']);
  });

  const promtool = '/usr/bin/promtool';
  (existsSync(promtool) ? it : it.skip)('the rules are valid to promtool, where that is installed', () => {
    const { stdout, status } = spawnSync(promtool, ['check', 'rules', ALERTS], { encoding: 'utf8' });
    expect([status, stdout]).toEqual([0, expect.stringContaining('SUCCESS: 11 rules found')]);
  });
});

/** Of PromQL. */
function expressionsIn(path: string): string[] {
  const text = readFileSync(path, 'utf8');
  if (path === ALERTS)
    return [...text.matchAll(/^ +expr: (.+(?:\n {10}.+)*)/gm)].map(([, expr = '']) => expr);
  const { panels } = JSON.parse(text) as { panels: { targets: { expr: string }[] }[] };
  return panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
}

/** Of metrics: what has a selector. */
function namesIn(expressions: readonly string[]): string[] {
  return expressions.flatMap((text) => [...text.matchAll(/([a-z_0-9]+)\{/g)].map(([, name = '']) => name));
}
