import { isIPv6 } from 'node:net';
import { signToken } from './auth/token.js';
import type { Config } from './config/config.js';

/** Printed after the start: the URLs of the server and, on a demo server, a token. */
export async function welcome(config: Config, port: number): Promise<string> {
  const local = `http://${nameOf(config.host)}:${port}`;
  const url = config.publicUrl ?? local;
  const lines = [
    '',
    `  Mediadock listens at        ${local}/`,
    `  Uploads go to               ${url}/api/v2/media/upload/chunk/`,
    `  Demo page                   ${url}/`,
    `  Swagger UI                  ${url}/api/docs`,
    `  OpenAPI 3.1                 ${url}/api/openapi.json`,
    ...(config.isDemo ? await demoLines(config) : []),
    '',
  ];
  return lines.join('\n');
}

async function demoLines({ tokens }: Config): Promise<string[]> {
  return [
    '',
    '  THIS IS A DEMO SERVER: it gives everybody who can reach it a token of any user (docs/deploying.md).',
    '',
    '  A bearer token, valid for a day:',
    '',
    `  ${await signToken(tokens, '1')}`,
  ];
}

/** The host name by which this machine reaches a server that listens on `host`. */
function nameOf(host: string): string {
  if (['0.0.0.0', '::', '127.0.0.1', '::1'].includes(host)) return 'localhost';
  return isIPv6(host) ? `[${host}]` : host;
}
