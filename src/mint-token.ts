import { parseArgs } from 'node:util';
import { signToken } from './auth/token.js';
import { loadConfig } from './config/config.js';

// `npm run token -- --user 7`: a token for the server of this directory, on standard output.
const { values } = parseArgs({ options: { user: { type: 'string', default: '1' } } });
console.log(await signToken(loadConfig().tokens, values.user));
