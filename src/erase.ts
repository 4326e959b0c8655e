import { refuseOldNode } from './node-version.js';

// `npm run erase -- --user 7 [--yes]`
refuseOldNode();
const { runErase } = await import('./run-erase.js');
await runErase();
