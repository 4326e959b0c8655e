import { refuseOldNode } from './node-version.js';

// `npm run token -- --user 7`: a token for the server of this directory, on standard output.
refuseOldNode();
const { parseArgs } = await import('node:util');
const { loadConfig } = await import('./config/config.js');
const { signToken } = await import('./auth/token.js');
const { fail } = await import('./fail.js');
const { values } = parseArgs({ options: { user: { type: 'string', default: '1' } } });
try {
  console.log(await signToken(loadConfig().tokens, values.user));
} catch (error) {
  fail(error);
}
