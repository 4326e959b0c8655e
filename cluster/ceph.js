// @ts-check
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { freePort } from '../scripts/free-port.js';
import { cephConfig } from './ceph-config.js';
import { spawnGuarded, temporaryDirectory } from './guard.js';

const PROGRAMS = ['ceph-mon', 'ceph-osd', 'radosgw', 'radosgw-admin', 'ceph', 'monmaptool'];
const PLACES = ['/usr/bin', '/usr/sbin', '/usr/local/bin'];
const BUCKET = 'mediadock';
const KEYS = { accessKeyId: 'cluster', secretAccessKey: 'a key for this machine alone' };
const READY_MS = 90_000;

/**
 * A private Ceph with its S3 gateway (RGW): one monitor, some OSDs on sparse files, one gateway. Daemons can be killed
 * and restarted. Debian packages: radosgw ceph-mon ceph-osd.
 */
export class Ceph {
  /** @param {string} directory @param {number} osds @param {number} port */
  constructor(directory, osds, port) {
    this.directory = directory;
    this.config = join(directory, 'ceph.conf');
    this.osds = Array.from({ length: osds }, (_, index) => `osd.${index}`);
    this.port = port;
    /** @type {Map<string, import('node:child_process').ChildProcess>} */
    this.daemons = new Map();
    this.closed = false;
  }

  /** Why Ceph cannot run here, or undefined if it can. */
  static get missing() {
    const absent = PROGRAMS.find((name) => !PLACES.some((place) => existsSync(join(place, name))));
    return (
      absent && `there is no ${absent} (apt-get install --no-install-recommends radosgw ceph-mon ceph-osd)`
    );
  }

  /** Resolves once the store responds. With three OSDs it tolerates the loss of one. */
  static async start({ osds = 1 } = {}) {
    const directory = temporaryDirectory('mediadock-ceph-');
    const ceph = new Ceph(directory, osds, await freePort());
    try {
      await ceph.make();
      await ceph.run();
    } catch (error) {
      const words = await ceph.lastWords();
      await ceph.stop();
      throw new Error(`Ceph failed to start:\n${words}`, { cause: error });
    }
    return ceph;
  }

  /** Settings of a server that uses this store. @returns {Record<string, string>} */
  get settings() {
    return {
      STORAGE: 's3',
      S3_ENDPOINT: `http://127.0.0.1:${this.port}`,
      S3_BUCKET: BUCKET,
      S3_FORCE_PATH_STYLE: 'true',
      S3_ACCESS_KEY_ID: KEYS.accessKeyId,
      S3_SECRET_ACCESS_KEY: KEYS.secretAccessKey,
    };
  }

  /** Starts the daemons that are not running. Resolves once the store responds. */
  async run() {
    for (const name of ['mon', ...this.osds, 'rgw']) if (!this.daemons.has(name)) this.launch(name);
    await this.untilReady();
  }

  /** kill -9 of `mon`, `rgw` or `osd.N`, or of all daemons if no name is given. @param {readonly string[]} names */
  async kill(...names) {
    const doomed = names.length > 0 ? names : [...this.daemons.keys()];
    await Promise.all(
      doomed.map(async (name) => {
        const daemon = this.daemons.get(name);
        this.daemons.delete(name);
        if (!daemon || daemon.exitCode !== null || daemon.signalCode !== null) return;
        const gone = once(daemon, 'exit');
        daemon.kill('SIGKILL');
        await gone;
      }),
    );
  }

  /** Kills all daemons and removes the directory. */
  async stop() {
    this.closed = true;
    await this.kill();
    await rm(this.directory, { recursive: true, force: true, maxRetries: 3 });
  }

  async make() {
    const { directory, config, osds } = this;
    const [id, monitorPort] = [randomUUID(), await freePort()];
    await writeFile(config, cephConfig({ directory, id, monitorPort, osds: osds.length }));
    await mkdir(join(directory, 'mon'));
    const map = join(directory, 'monmap');
    const address = `[v2:127.0.0.1:${monitorPort}]`;
    await this.execute('monmaptool', '--create', '--fsid', id, '--addv', 'a', address, map);
    await this.execute('ceph-mon', '-i', 'a', '--mkfs', '--monmap', map);
    this.launch('mon');
    await Promise.all(osds.map((_, index) => this.makeOsd(String(index))));
    for (const name of osds) this.launch(name);
    // This also creates the pools of the gateway, so OSDs must be running.
    const keys = ['--access-key', KEYS.accessKeyId, '--secret-key', KEYS.secretAccessKey];
    await this.execute('radosgw-admin', 'user', 'create', '--uid=dev', '--display-name=dev', ...keys);
  }

  /** @param {string} index */
  async makeOsd(index) {
    const id = randomUUID();
    await mkdir(join(this.directory, `osd.${index}`));
    await this.execute('ceph-osd', '-i', index, '--mkfs', '--no-mon-config', '--osd-uuid', id);
    await this.execute('ceph', 'osd', 'new', id, index);
  }

  /** @param {string} name */
  launch(name) {
    if (this.closed) throw new Error('Ceph is being stopped');
    const index = name.replace('osd.', '');
    const frontend = `beast endpoint=127.0.0.1:${this.port} tcp_nodelay=1`;
    const commands = new Map([
      ['mon', ['ceph-mon', '-i', 'a']],
      ['rgw', ['radosgw', '-n', 'client.rgw', `--rgw-frontends=${frontend}`]],
    ]);
    const [program = '', ...args] = commands.get(name) ?? ['ceph-osd', '-i', index];
    const output = openSync(join(this.directory, `${name}.out`), 'a');
    const daemon = spawnGuarded(program, ['-c', this.config, ...args, '-f'], {
      stdio: ['ignore', output, output],
    });
    this.daemons.set(name, daemon);
    closeSync(output);
  }

  /** @param {string} program @param {readonly string[]} args */
  async execute(program, ...args) {
    // monmaptool reads no configuration.
    const config = program === 'monmaptool' ? [] : ['-c', this.config];
    const child = spawnGuarded(program, [...config, ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: READY_MS,
    });
    const words = text(/** @type {import('node:stream').Readable} */ (child.stderr));
    const [code] = await once(child, 'exit');
    if (code !== 0) throw new Error(`${program} failed: ${await words}`);
  }

  async untilReady() {
    const client = new S3Client({
      endpoint: `http://127.0.0.1:${this.port}`,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: KEYS,
      maxAttempts: 1,
      requestHandler: { requestTimeout: 5000, throwOnRequestTimeout: true },
    });
    try {
      for (const deadline = Date.now() + READY_MS; ; await sleep(50)) {
        // Succeeds for a bucket that exists, and involves the OSDs.
        const failure = await client.send(new CreateBucketCommand({ Bucket: BUCKET })).then(
          () => undefined,
          (error) => error,
        );
        if (!failure) return;
        if (Date.now() > deadline || this.closed) throw failure;
      }
    } finally {
      client.destroy();
    }
  }

  async lastWords() {
    const names = ['mon', ...this.osds, 'rgw'];
    const files = names.map((name) => readFile(join(this.directory, `${name}.out`), 'utf8').catch(() => ''));
    return (await Promise.all(files))
      .map((text) => text.trimEnd().split('\n').slice(-3).join('\n'))
      .join('\n');
  }
}
