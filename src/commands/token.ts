import { signToken } from '../auth/token.js';
import { StartError } from '../config/start-error.js';
import { fail } from '../fail.js';
import { commandLine } from './command-line.js';
import { configOfServer } from './server-config.js';

const USAGE = 'Usage: npm run token -- [--user ID]';

/** Prints a token for a user of the server in this directory. */
export async function token(args: string[]): Promise<void> {
  const options = { user: { type: 'string', default: '1' } } as const;
  const { user } = commandLine({ args, options }, USAGE).values;
  if (!user) return fail(new StartError(USAGE));
  await print(user).catch(fail);
}

async function print(user: string): Promise<void> {
  console.log(await signToken(configOfServer().tokens, user));
}
