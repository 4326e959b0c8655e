// @ts-check
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { assertFree } from '../scripts/free-port.js';
import { spawnGuarded, temporaryDirectory } from './guard.js';

const PLACES = ['/usr/sbin/nginx', '/usr/local/bin/nginx', '/opt/homebrew/bin/nginx'];
const PAGE = new URL('../docs/deploying.md', import.meta.url);
const READY_MS = 30_000;

/** An nginx with its own directory. */
export class Nginx {
  /** @param {import('node:child_process').ChildProcess} child @param {string} directory */
  constructor(child, directory) {
    this.child = child;
    this.directory = directory;
    this.exit = once(child, 'exit');
  }

  /** Why nginx cannot run here, or undefined if it can. */
  static get missing() {
    return PLACES.some((path) => existsSync(path)) ? undefined : 'there is no nginx (apt-get install nginx)';
  }

  /**
   * Resolves once it listens.
   * @param {number} port @param {(directory: string, port: number) => string} configure what goes into `http`
   */
  static async start(port, configure) {
    await assertFree(port);
    const directory = temporaryDirectory('mediadock-nginx-');
    const file = join(directory, 'nginx.conf');
    await writeFile(file, configOf(directory, configure(directory, port)));
    const program = PLACES.find((path) => existsSync(path)) ?? 'nginx';
    // Ctrl-C must not stop it before the servers have responded.
    const child = spawnGuarded(program, ['-c', file, '-e', 'stderr'], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const nginx = new Nginx(child, directory);
    for (const deadline = Date.now() + READY_MS; !(await listens(port)); await sleep(20)) {
      if (child.exitCode === null && Date.now() < deadline) continue;
      await nginx.stop();
      throw new Error(`nginx does not listen on port ${port}`);
    }
    return nginx;
  }

  /** Stops nginx and removes its directory. */
  async stop() {
    this.child.kill('SIGTERM');
    await this.exit;
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** @param {string} directory @param {string} http */
function configOf(directory, http) {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `  ${name}_temp_path ${join(directory, name)};`,
  );
  // Without this, workers started by root run as a user who cannot read root's files.
  return `${process.getuid?.() === 0 ? 'user root;\n' : ''}daemon off;
pid ${join(directory, 'nginx.pid')};
error_log stderr crit;
events {}
http {
  access_log off;
${temporary.join('\n')}
  ${http}
}
`;
}

/** @param {number} port @returns {Promise<boolean>} */
async function listens(port) {
  const socket = connect(port, '127.0.0.1');
  return await once(socket, 'connect')
    .then(
      () => true,
      () => false,
    )
    .finally(() => socket.destroy());
}

/**
 * Where files come from: the server, a cache, or the data directory, as the server decides.
 * @typedef {{ readonly from: 'server' | 'cache' } | { readonly from: 'disk', readonly dataDir: string }} Files
 */

/**
 * The site of docs/deploying.md, without TLS.
 * @param {readonly string[]} servers host and port of each
 * @param {{ files?: Files, isBelow?: boolean }} [options] `isBelow`: the site is at `/media-api`
 * @returns {Promise<(directory: string, port: number) => string>}
 */
export async function documentedSite(servers, { files = { from: 'server' }, isBelow = false } = {}) {
  const page = await readFile(PAGE, 'utf8');
  const blocks = [...page.matchAll(/^```nginx\n([^]*?)^```$/gm)].map(([, text = '']) => text);
  const site = having('upstream mediadock', blocks)
    .replace('server 127.0.0.1:3000;', servers.map((server) => `server ${server};`).join(' '))
    .replace(/^ *ssl_.*\n/gm, '');
  return (directory, port) =>
    (isBelow ? below(site, blocks) : withFiles(site, directory, blocks, files)).replace(
      'listen 443 ssl;',
      `listen 127.0.0.1:${port};`,
    );
}

/** Replaces the locations of the site by one below a path. @param {string} site @param {readonly string[]} blocks */
function below(site, blocks) {
  const headers = /proxy_http_version[^}]*/.exec(site)?.[0] ?? '';
  const location = having('/media-api/', blocks).replace('}', `${headers}}`);
  return site.replace(/ {4}location[^]*(?=^}$)/m, location);
}

/**
 * The blocks for a cache replace the location for files. The block for files on disk is added.
 * @param {string} site @param {string} directory @param {readonly string[]} blocks @param {Files} files
 */
function withFiles(site, directory, blocks, files) {
  switch (files.from) {
    case 'server':
      return site;
    case 'cache':
      return `${having('proxy_cache_path', blocks).replace('/var/cache/nginx/mediadock', join(directory, 'cache'))}
${site.replace(/ {4}location ~[^]*?\n {4}}\n/, having('proxy_cache mediadock', blocks))}`;
    case 'disk':
      return site.replace(
        /}\s*$/,
        `${having('alias /var/lib/mediadock/data/;', blocks).replace('/var/lib/mediadock/data', files.dataDir)}}`,
      );
  }
}

/** The only block with these words. @param {string} words @param {readonly string[]} blocks */
function having(words, blocks) {
  const found = blocks.filter((text) => text.includes(words));
  if (found.length !== 1) throw new Error(`docs/deploying.md has ${found.length} blocks with ${words}`);
  return found[0] ?? '';
}
