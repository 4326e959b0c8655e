import { refuseOldNode } from './node-version.js';

refuseOldNode();
// Imported late, because old versions of Node.js may lack what it imports.
const { start } = await import('./start.js');
await start();
