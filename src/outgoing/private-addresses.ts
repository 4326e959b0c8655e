import dns from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';

class PrivateAddress extends Error {
  override readonly name = 'PrivateAddress';

  constructor(host: string) {
    super(`${host} is at an address of a private network (WEBHOOK_ALLOW_PRIVATE)`);
  }
}

/**
 * Loopback, private, link-local (where clouds keep credentials), multicast, reserved, and IPv6 forms of all of these.
 */
export function isPrivate(address: string): boolean {
  const parsed = ipaddr.process(address);
  if (parsed.range() !== 'unicast') return true;
  // To ipaddr.js, unassigned addresses are `unicast`, for instance ::127.0.0.1 in hexadecimal.
  return parsed instanceof ipaddr.IPv6 && !parsed.match(ASSIGNED);
}

/** https://www.iana.org/assignments/ipv6-address-space */
const ASSIGNED = ipaddr.IPv6.parseCIDR('2000::/3');

/**
 * Resolves a name for a connection. The addresses that are checked here are the ones that are connected to, whatever
 * the name resolves to at other times.
 */
export const publicLookup: LookupFunction = (host, options, done) => {
  dns.lookup(host, { ...options, all: true }, (error, found) => {
    if (error) return done(error, '');
    const [first, ...more] = found.filter(({ address }) => !isPrivate(address));
    if (!first) return done(new PrivateAddress(host), '');
    if (options.all) return done(null, [first, ...more]);
    done(null, first.address, first.family);
  });
};

/** Checks a URL with an IP address, which needs no lookup. @throws PrivateAddress */
export function refusePrivateHost({ hostname }: URL): void {
  const address = hostname.replace(/^\[(.*)\]$/, '$1');
  if (isIP(address) !== 0 && isPrivate(address)) throw new PrivateAddress(hostname);
}
