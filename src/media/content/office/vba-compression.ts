const SIGNATURE = 1;
const CHUNK_BYTES = 4096;

/**
 * Unpacks a container of a VBA project ([MS-OVBA] 2.4.1). Only chunks that are compressed: those that are not belong
 * to larger projects.
 * @throws RangeError if it is damaged or has more than `maxBytes`
 */
export function decompress(bytes: Buffer, maxBytes: number): Buffer {
  if (bytes[0] !== SIGNATURE) throw new RangeError('This is not compressed');
  const chunks: Buffer[] = [];
  let length = 0;
  for (let at = 1; at < bytes.length;) {
    const header = bytes.readUInt16LE(at);
    const end = at + (header & 0xfff) + 3;
    if (header >> 12 !== 0b1011 || end > bytes.length) throw new RangeError('A chunk is damaged');
    const chunk = unpack(bytes.subarray(at + 2, end));
    length += chunk.length;
    if (length > maxBytes) throw new RangeError(`More than ${maxBytes} bytes`);
    chunks.push(chunk);
    at = end;
  }
  return Buffer.concat(chunks);
}

/** Groups of a byte with flags and eight tokens: each a byte, or where in the chunk to copy from. */
function unpack(chunk: Buffer): Buffer {
  const out: number[] = [];
  for (let at = 0; at < chunk.length;) {
    const flags = chunk.readUInt8(at++);
    for (let token = 0; token < 8 && at < chunk.length; token++) {
      if ((flags >> token) & 1) {
        copy(out, chunk.readUInt16LE(at));
        at += 2;
      } else out.push(chunk.readUInt8(at++));
      if (out.length > CHUNK_BYTES) throw new RangeError('A chunk is too long');
    }
  }
  return Buffer.from(out);
}

/** The longer the chunk is so far, the more bits of the token are for the distance. */
function copy(out: number[], token: number): void {
  const distanceBits = Math.max(4, Math.ceil(Math.log2(out.length)));
  const distance = (token >> (16 - distanceBits)) + 1;
  const count = (token & (0xffff >> distanceBits)) + 3;
  const from = out.length - distance;
  if (from < 0) throw new RangeError('A token points before its chunk');
  for (let i = 0; i < count; i++) out.push(out[from + i] ?? 0);
}
