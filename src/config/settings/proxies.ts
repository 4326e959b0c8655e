import { isIP } from 'node:net';
import { ConfigError } from '../config-error.js';

/** Proxies whose headers are trusted. @throws ConfigError */
export function trustedProxies(given: readonly string[]): number | readonly string[] {
  if (given.length === 1 && /^\d{1,3}$/.test(given[0] ?? '')) return Number(given[0]);
  const wrong = given.filter((name) => !NAMED_NETWORKS.includes(name) && !isNetwork(name));
  if (wrong.length === 0) return given;
  throw new ConfigError([
    `TRUST_PROXY: ${wrong.join(', ')} is not an address, a network or a number of proxies`,
  ]);
}

/** In the form that Express expects. */
const NAMED_NETWORKS = ['loopback', 'linklocal', 'uniquelocal'];

function isNetwork(text: string): boolean {
  const [, address = '', bits = '0'] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  return isIP(address) !== 0 && Number(bits) <= (isIP(address) === 4 ? 32 : 128);
}
