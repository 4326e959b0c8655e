// @ts-check
// nginx as a peer, and as a cache in front of this server.
import { documentedSite, Nginx } from '../cluster/nginx.js';
import { freePort } from '../scripts/free-port.js';

/** nginx that serves a directory. @param {string} root */
export async function staticNginx(root) {
  return await start((_directory, port) => `server { listen 127.0.0.1:${port}; root ${root}; }`);
}

/** nginx with the cache of docs/deploying.md in front of a server. @param {string} behind */
export async function cachingNginx(behind) {
  return await start(await documentedSite([new URL(behind).host], { files: { from: 'cache' } }));
}

/** nginx in front of servers, as docs/deploying.md sets it up. @param {string[]} behind their URLs */
export async function forwardingNginx(...behind) {
  return await start(await documentedSite(behind.map((url) => new URL(url).host)));
}

/** @param {(directory: string, port: number) => string} site */
async function start(site) {
  const port = await freePort();
  const nginx = await Nginx.start(port, (...place) => `sendfile on; tcp_nopush on; ${site(...place)}`);
  return { url: `http://127.0.0.1:${port}`, stop: () => nginx.stop() };
}
