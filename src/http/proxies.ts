import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import type { Middleware } from './front.js';

declare module 'node:http' {
  interface IncomingMessage {
    /** Of the client: of the connection or, behind proxies that are trusted, what they say. */
    address?: string;
  }
}

/** Whether a proxy's headers are believed: by its address, and how many trusted ones are between it and us. */
export type Trust = (address: string, hops: number) => boolean;

const ONE_YEAR_SECONDS = 31_536_000;

/** Finds out who asks and whether by TLS; over TLS, browsers are told to stay with it (RFC 6797, 7.2). */
export function behindProxies(trust: Trust): Middleware {
  return (request, response, next) => {
    request.address = addressOf(request, trust);
    if (isSecure(request, trust))
      response.setHeader('Strict-Transport-Security', `max-age=${ONE_YEAR_SECONDS}; includeSubDomains`);
    next();
  };
}

/** The nearest address that is not a trusted proxy's; each proxy appends the one that it got the request from. */
function addressOf({ socket, headers }: IncomingMessage, trust: Trust): string {
  const nearest = socket.remoteAddress ?? '';
  if (!trust(nearest, 0)) return nearest;
  const forwarded = String(headers['x-forwarded-for'] ?? '')
    .split(',')
    .map((address) => address.trim())
    .filter((address) => address !== '')
    .reverse();
  const chain = [nearest, ...forwarded];
  return chain.find((address, hops) => !trust(address, hops)) ?? chain.at(-1) ?? nearest;
}

function isSecure({ socket, headers }: IncomingMessage, trust: Trust): boolean {
  if ((socket as Partial<TLSSocket>).encrypted) return true;
  return trust(socket.remoteAddress ?? '', 0) && headers['x-forwarded-proto'] === 'https';
}
