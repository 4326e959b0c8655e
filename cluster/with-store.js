// @ts-check
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Ceph } from './ceph.js';
import { installMissing } from './install.js';
import { Nginx } from './nginx.js';

/**
 * Runs a command with a real object store, passed on as TEST_S3_* variables. Without Ceph it runs the command without
 * one. If TEST_S3_* variables are set already, it uses those.
 */
const [program = '', ...args] = process.argv.slice(2);
await installMissing();
const given = process.env['TEST_S3_ENDPOINT'] !== undefined;
if (!given && Ceph.missing) console.error(`Running without a real object store: ${Ceph.missing}`);
const ceph = given || Ceph.missing ? undefined : await Ceph.start();
const settings = Object.entries(ceph?.settings ?? {}).map(([name, value]) => [`TEST_${name}`, value]);
const env = { ...process.env, ...Object.fromEntries(settings) };
if (env['TEST_CLUSTER'] !== undefined && Nginx.missing) {
  console.error(`Running with one server only: ${Nginx.missing}`);
  delete env['TEST_CLUSTER'];
}
const command = spawn(program, args, { env, stdio: 'inherit' });
// Ctrl-C reaches the command too, which then ends by itself.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => command.kill('SIGTERM'));
const [code] = await once(command, 'exit');
await ceph?.stop();
process.exitCode = code ?? 1;
