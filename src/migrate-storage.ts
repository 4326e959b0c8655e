import { refuseOldNode } from './node-version.js';

// `npm run migrate-storage`
refuseOldNode();
const { runStorageMigration } = await import('./run-storage-migration.js');
await runStorageMigration();
