import { refuseOldNode } from './node-version.js';

// `npm run fsck [-- --fix]`
refuseOldNode();
const { runFsck } = await import('./run-fsck.js');
await runFsck();
