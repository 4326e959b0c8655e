import { refuseOldNode } from './node-version.js';

// `npm run webhooks -- list|show ID|resend ID|test`
refuseOldNode();
const { runWebhooks } = await import('./run-webhooks.js');
await runWebhooks();
