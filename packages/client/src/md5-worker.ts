import { Md5 } from './md5.js';

// Hashes one file. Replies to each piece, and to `null` after the last one with the digest.
const hash = new Md5();
self.onmessage = ({ data }: MessageEvent<Uint8Array | null>) => {
  self.postMessage(data === null ? hash.digest() : void hash.update(data));
};
self.postMessage('ready');
