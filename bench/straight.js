// @ts-check
// Straight to an object store: the least that a server can do there. The client is the server's, with its settings.
import { createHash, randomUUID } from 'node:crypto';
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';

/** Reads of one file at the same time, as at completion. */
const AT_ONCE = 16;

// By name: types are not checked in what was built.
const built = (/** @type {string} */ path) => import(new URL(`../dist/src/${path}`, import.meta.url).href);

/** @type {import('@aws-sdk/client-s3').S3Client | undefined} */
let shared;

/**
 * A sender that puts each chunk as an object; at the end it reads them all and puts them as one.
 * @param {Record<string, string>} store settings
 */
export async function straight(store) {
  const { loadConfig } = await built('config/load-config.js');
  const { atOnce } = await built('concurrency/at-once.js');
  const { storage } = loadConfig({ JWT_SECRET: 'of no use here, but there has to be one', ...store });
  const client = (shared ??= (await built('storage/s3/client.js')).createClient(storage));
  const upload = `straight/${randomUUID()}`;
  /** @type {{ Bucket: string, Key: string }[]} */
  const places = [];

  /** @param {{ Bucket: string, Key: string }} place @param {Buffer} Body */
  async function put(place, Body) {
    const ContentMD5 = createHash('md5').update(Body).digest('base64');
    await client.send(new PutObjectCommand({ ...place, Body, ContentLength: Body.length, ContentMD5 }));
  }

  return {
    send: async (/** @type {Buffer} */ bytes, /** @type {number} */ start) => {
      const place = { Bucket: storage.bucket, Key: `${upload}/${start}` };
      await put(place, bytes);
      places.push(place);
    },
    finish: async () => {
      /** @type {Uint8Array[]} */
      const pieces = [];
      await atOnce(AT_ONCE, [...places.entries()], async (/** @type {[number, any]} */ [i, place]) => {
        const { Body } = await client.send(new GetObjectCommand(place));
        pieces[i] = (await Body?.transformToByteArray()) ?? new Uint8Array();
      });
      await put({ Bucket: storage.bucket, Key: upload }, Buffer.concat(pieces));
      return '';
    },
    address: () => upload,
  };
}
