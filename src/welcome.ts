import { signToken } from './auth/token.js';
import type { Config } from './config/config.js';

/** What a person needs right after the start; the token only where it is made for trying out. */
export async function welcome(config: Config, port: number): Promise<string> {
  const url = config.publicUrl ?? `http://localhost:${port}`;
  const token = config.production ? null : await signToken(config.tokens, '1');
  const lines = [
    '',
    `  Demo page                   ${url}/`,
    `  Mediadock takes uploads at  ${url}/api/v2/media/upload/chunk/`,
    `  Swagger UI, to try it out   ${url}/api/docs`,
    `  OpenAPI 3.1                 ${url}/api/openapi.json`,
    ...(token ? ['', '  A bearer token, good for a day:', '', `  ${token}`] : []),
    '',
  ];
  return lines.join('\n');
}
