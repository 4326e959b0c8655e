import { signToken } from '../auth/token.js';
import { loadConfig } from '../config/load-config.js';
import { fail } from '../fail.js';
import { commandLine } from './command-line.js';

/** Prints a token for a user of the server in this directory. */
export async function token(args: string[]): Promise<void> {
  const options = { user: { type: 'string', default: '1' } } as const;
  const { values } = commandLine({ args, options }, 'Usage: npm run token -- [--user ID]');
  await signToken(loadConfig().tokens, values.user).then(console.log, fail);
}
