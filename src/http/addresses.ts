import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** An IP address without port and brackets, in one spelling. Proxies may append ports. Other text stays as it is. */
export function plainAddress(given: string): string {
  if (!given.includes(':')) return given;
  const [, ipv4, ipv6] = /^(?:([\d.]+):\d+|\[([^\]]+)\](?::\d+)?)$/.exec(given) ?? [];
  const address = ipv4 ?? ipv6 ?? given;
  // Only ipaddr.js accepts 127.1:80, and only Node accepts every zone, as in fe80::1%br-0.
  if (isIP(address) === 0 || !ipaddr.isValid(address)) return given;
  return ipaddr.process(address).toString();
}

/**
 * The network that counts as one client for limits: an IPv4 address, or a /64 of IPv6, of which a client may use every
 * address.
 */
export function networkOf(address = ''): string {
  if (!ipaddr.IPv6.isValid(address)) return address;
  return ipaddr.IPv6.networkAddressFromCIDR(`${address}/64`).toString();
}
