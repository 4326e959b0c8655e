// @ts-check
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { GetObjectCommand, paginateListObjectsV2, S3Client } from '@aws-sdk/client-s3';
import { build } from 'esbuild';
import { Ceph } from '../cluster/ceph.js';
import { temporaryDirectory } from '../cluster/guard.js';

/**
 * Where servers store bytes, from the view of the oracles.
 * @typedef {object} Store
 * @property {Record<string, string>} settings of a server
 * @property {(area: string, name: string) => Promise<Buffer | undefined>} read
 * @property {(area: string) => Promise<string[]>} list
 * @property {() => Promise<void>} stop
 */

/** The data directory that all servers of a place share. @param {string} dataDir @returns {Store} */
export function directory(dataDir) {
  return {
    settings: {},
    read: (area, name) => readFile(join(dataDir, area, name)).catch(() => undefined),
    list: (area) => readdir(join(dataDir, area)),
    stop: async () => undefined,
  };
}

/** A private Ceph with three OSDs, of which one may be lost. @returns {Promise<Store & { ceph: Ceph }>} */
export async function cephStore() {
  const ceph = await Ceph.start({ osds: 3 });
  const { settings } = ceph;
  const { S3_ENDPOINT: endpoint = '', S3_BUCKET: Bucket = '' } = settings;
  const client = new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: {
      accessKeyId: settings['S3_ACCESS_KEY_ID'] ?? '',
      secretAccessKey: settings['S3_SECRET_ACCESS_KEY'] ?? '',
    },
  });
  return {
    ceph,
    settings,
    read: async (area, name) => {
      try {
        const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: `${area}/${name}` }));
        return Buffer.from((await Body?.transformToByteArray()) ?? []);
      } catch (error) {
        if (/** @type {Error} */ (error).name === 'NoSuchKey') return undefined;
        throw error;
      }
    },
    list: async (area) => {
      const keys = [];
      for await (const { Contents = [] } of paginateListObjectsV2({ client }, { Bucket, Prefix: `${area}/` }))
        keys.push(...Contents.map(({ Key = '' }) => Key.slice(area.length + 1)));
      return keys;
    },
    stop: async () => {
      client.destroy();
      await ceph.stop();
    },
  };
}

/** The object store of the tests, which fails on demand. @returns {Promise<Store & { server: any }>} */
export async function faultyStore() {
  const { S3Server } = await compiled('test/setup/s3-server.ts');
  const server = await S3Server.start();
  return {
    server,
    settings: server.settings,
    read: async (area, name) => server.objects.get(`${area}/${name}`)?.bytes,
    list: async (area) =>
      server.keys(`${area}/`).map((/** @type {string} */ key) => key.slice(area.length + 1)),
    stop: () => server.stop(),
  };
}

/** @param {string} source path of a TypeScript file in this checkout */
async function compiled(source) {
  const out = temporaryDirectory('mediadock-compiled-');
  const outfile = join(out, 'module.mjs');
  const entry = join(import.meta.dirname, '..', source);
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'error',
  });
  const module = await import(pathToFileURL(outfile).href);
  await rm(out, { recursive: true });
  return module;
}
