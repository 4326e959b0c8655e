import { parseArgs } from 'node:util';
import { signToken } from '../auth/token.js';
import { loadConfig } from '../config/config.js';
import { fail } from '../fail.js';

/** Prints a token for a user of the server of this directory. */
export async function token(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { user: { type: 'string', default: '1' } } });
  await signToken(loadConfig().tokens, values.user).then(console.log, fail);
}
