// @ts-check
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Ceph } from './ceph.js';
import { installMissing } from './install.js';
import { Nginx } from './nginx.js';

/**
 * Runs a command beside a real object store, which TEST_S3_* in its environment name; without one where there is none to be
 * had. An object store that is named already stays.
 */
const [program = '', ...args] = process.argv.slice(2);
await installMissing();
const given = process.env['TEST_S3_ENDPOINT'] !== undefined;
if (!given && Ceph.missing) console.error(`Without a real object store: ${Ceph.missing}`);
const ceph = given || Ceph.missing ? undefined : await Ceph.start();
const settings = Object.entries(ceph?.settings ?? {}).map(([name, value]) => [`TEST_${name}`, value]);
const env = { ...process.env, ...Object.fromEntries(settings) };
if (env['TEST_CLUSTER'] !== undefined && Nginx.missing) {
  console.error(`Through one server alone: ${Nginx.missing}`);
  delete env['TEST_CLUSTER'];
}
const command = spawn(program, args, { env, stdio: 'inherit' });
// The command ends by itself: a Ctrl-C reaches it too.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => command.kill('SIGTERM'));
const [code] = await once(command, 'exit');
await ceph?.stop();
process.exitCode = code ?? 1;
