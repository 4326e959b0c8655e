import { refuseOldNode } from './node-version.js';

/** `node dist/src/command.js NAME …`: the commands for operators. */
const COMMANDS: Readonly<Record<string, () => Promise<(args: string[]) => Promise<void>>>> = {
  erase: async () => (await import('./commands/erase.js')).erase,
  fsck: async () => (await import('./commands/fsck.js')).fsck,
  'migrate-storage': async () => (await import('./commands/migrate-storage.js')).migrateStorage,
  token: async () => (await import('./commands/token.js')).token,
  webhooks: async () => (await import('./commands/webhooks.js')).webhooks,
};

refuseOldNode();
const [name = '', ...args] = process.argv.slice(2);
const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
if (command) {
  const run = await command();
  await run(args);
} else {
  console.error(`Usage: node dist/src/command.js ${Object.keys(COMMANDS).join('|')} …`);
  process.exitCode = 1;
}
