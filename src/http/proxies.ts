import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { plainAddress } from './addresses.js';
import type { Middleware } from './front.js';

declare module 'node:http' {
  interface IncomingMessage {
    /** The address of the client: that of the connection or, behind trusted proxies, the one they report. */
    address?: string;
  }
}

/** Whether a proxy is trusted, by its address and the number of trusted proxies between it and us. */
export type Trust = (address: string, hops: number) => boolean;

/** `Strict-Transport-Security` for a year, by what it covers. */
const HSTS = {
  host: 'max-age=31536000',
  subdomains: 'max-age=31536000; includeSubDomains',
  off: undefined,
};

/** Determines the address of the client and whether it uses TLS. With TLS, sends HSTS (RFC 6797, 7.2). */
export function behindProxies(trust: Trust, covered: keyof typeof HSTS): Middleware {
  const hsts = HSTS[covered];
  return (request, response, next) => {
    request.address = addressOf(request, trust);
    if (hsts && isSecure(request, trust)) response.setHeader('Strict-Transport-Security', hsts);
    next();
  };
}

/** The nearest address that is not a trusted proxy. Each proxy appends the address that the request came from. */
function addressOf({ socket, headers }: IncomingMessage, trust: Trust): string {
  const nearest = plainAddress(socket.remoteAddress ?? '');
  if (!trust(nearest, 0)) return nearest;
  const forwarded = String(headers['x-forwarded-for'] ?? '')
    .split(',')
    .map((address) => plainAddress(address.trim()))
    .filter((address) => address !== '')
    .reverse();
  const chain = [nearest, ...forwarded];
  return chain.find((address, hops) => !trust(address, hops)) ?? chain.at(-1) ?? nearest;
}

function isSecure({ socket, headers }: IncomingMessage, trust: Trust): boolean {
  if ((socket as Partial<TLSSocket>).encrypted) return true;
  return trust(socket.remoteAddress ?? '', 0) && headers['x-forwarded-proto'] === 'https';
}
