// @ts-check
import { spawn } from 'node:child_process';

/**
 * Starts the built server with its embedded Postgres in `dataDir`.
 * @param {string} dataDir
 */
export async function startServer(dataDir) {
  const server = spawn(process.execPath, ['dist/src/main.js'], {
    env: { PATH: process.env['PATH'], DATA_DIR: dataDir, PORT: '0', LOG_LEVEL: 'warn' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let printed = '';
  for await (const text of server.stdout) {
    printed += text;
    const [, url] = /(http:\/\/\S+?)\/api\/docs/.exec(printed) ?? [];
    const [, token] = /(eyJ\S+)\s/.exec(printed) ?? [];
    if (url && token) return { server, url, token };
  }
  throw new Error(`The server ended before it was ready: ${printed}`);
}
