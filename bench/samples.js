// @ts-check
// Sample files, and a minimal upload client.
import { randomBytes } from 'node:crypto';
import sharp from 'sharp';

const CHUNK_BYTES = 204_800;

/**
 * A JPEG like those of a phone, below 5 MB.
 * @param {number} width @param {number} height @param {number} [orientation] @returns {Promise<Buffer>}
 */
export async function phonePhoto(width, height, orientation = 1) {
  // Larger images are smoother, to stay below 5 MB.
  const grain = width > 5000 ? 20 : 8;
  const [across, down] = [Math.round(width / grain), Math.round(height / grain)];
  const raw = { width: across, height: down, channels: /** @type {const} */ (3) };
  return await sharp(randomBytes(across * down * 3), { raw })
    .resize(width, height, { kernel: 'cubic' })
    .jpeg({ quality: width > 5000 ? 60 : 88 })
    .withMetadata({ orientation })
    .toBuffer();
}

/** @param {number} length @returns {Buffer} */
export function text(length) {
  return Buffer.alloc(length, 'All work and no play makes a dull file.\n');
}

/**
 * Uploads all chunks, without completing the upload.
 * @param {{ url: string, token: string }} place @param {Buffer} bytes @returns {Promise<string>} its id
 */
export async function uploadFile({ url, token }, bytes) {
  let id = '';
  for (let start = 0; start < bytes.length; start += CHUNK_BYTES) {
    const chunk = bytes.subarray(start, start + CHUNK_BYTES);
    const answer = await fetch(`${url}/api/v2/media/upload/chunk/${id && `?upload_id=${id}`}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/octet-stream',
        'content-range': `bytes ${start}-${start + chunk.length - 1}/${bytes.length}`,
      },
      body: new Uint8Array(chunk),
    });
    if (answer.status !== 201) throw new Error(`${answer.status}: ${await answer.text()}`);
    ({ upload_id: id } = await answer.json());
  }
  return id;
}
