import { Md5 } from './md5.js';

// A worker hashes one file: it takes pieces and answers each, with the digest for the last, which is null.
const hash = new Md5();
self.onmessage = ({ data }: MessageEvent<Uint8Array | null>) => {
  self.postMessage(data === null ? hash.digest() : void hash.update(data));
};
self.postMessage('ready');
