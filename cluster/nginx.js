// @ts-check
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const PLACES = ['/usr/sbin/nginx', '/usr/local/bin/nginx', '/opt/homebrew/bin/nginx'];
const PAGE = new URL('../docs/deploying.md', import.meta.url);
const READY_MS = 30_000;

/** An nginx with files of its own. */
export class Nginx {
  /** @param {import('node:child_process').ChildProcess} child @param {string} directory */
  constructor(child, directory) {
    this.child = child;
    this.directory = directory;
    this.exit = once(child, 'exit');
  }

  /** Why there can be none here; undefined if there can. */
  static get missing() {
    return PLACES.some((path) => existsSync(path)) ? undefined : 'there is no nginx (apt-get install nginx)';
  }

  /**
   * Resolves once it listens.
   * @param {number} port @param {(directory: string, port: number) => string} configure what goes into `http`
   */
  static async start(port, configure) {
    const directory = await mkdtemp(join(tmpdir(), 'mediadock-nginx-'));
    const file = join(directory, 'nginx.conf');
    await writeFile(file, configOf(directory, configure(directory, port)));
    const program = PLACES.find((path) => existsSync(path)) ?? 'nginx';
    // In a group of its own, where no Ctrl-C stops it before the servers have answered.
    const child = spawn(program, ['-c', file, '-e', 'stderr'], {
      stdio: ['ignore', 'ignore', 'inherit'],
      detached: true,
    });
    const nginx = new Nginx(child, directory);
    for (const deadline = Date.now() + READY_MS; !(await listens(port)); await sleep(20)) {
      if (child.exitCode === null && Date.now() < deadline) continue;
      await nginx.stop();
      throw new Error(`nginx does not listen on port ${port}`);
    }
    return nginx;
  }

  /** Ends it, and removes its files. */
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
  // Started by root, it would work as a user who cannot read what whoever started it has.
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
 * Where files come from: the server, a cache, or the data directory, by what the server says.
 * @typedef {{ readonly from: 'server' | 'cache' } | { readonly from: 'disk', readonly dataDir: string }} Files
 */

/**
 * The site of docs/deploying.md, without TLS.
 * @param {readonly string[]} servers host and port of each
 * @param {{ files?: Files, isBelow?: boolean }} [options] `isBelow`: at `/media-api` instead of having the whole host
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

/** The location below a path gets the headers of the page's first location. @param {string} site @param {readonly string[]} blocks */
function below(site, blocks) {
  const headers = /proxy_http_version[^}]*/.exec(site)?.[0] ?? '';
  const location = having('/media-api/', blocks).replace('}', `${headers}}`);
  return site.replace(/ {4}location[^]*(?=^}$)/m, location);
}

/**
 * The blocks for a cache take the place of the location for files; that for files on disk is one more.
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
        `${having('internal;', blocks).replace('/var/lib/mediadock/', `${files.dataDir}/`)}}`,
      );
  }
}

/** The only block with these words. @param {string} words @param {readonly string[]} blocks */
function having(words, blocks) {
  const found = blocks.filter((text) => text.includes(words));
  if (found.length !== 1) throw new Error(`docs/deploying.md has ${found.length} blocks with ${words}`);
  return found[0] ?? '';
}
