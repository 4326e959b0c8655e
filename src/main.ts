import { refuseOldNode } from './node-version.js';

refuseOldNode();
// Only now: what it imports may be missing in an old Node.
const { start } = await import('./start.js');
await start();
