import type { FileHandle } from 'node:fs/promises';
import { connect } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { text } from 'node:stream/consumers';
import type { Config } from '../../config/config.js';

type Address = NonNullable<Config['admission']['clamd']>;

/**
 * Has a file scanned by clamd, over its INSTREAM command. Returns the name of what was found; undefined: nothing.
 * @throws Error if clamd does not say, for one of its limits too
 */
export async function scan(
  address: Address,
  file: FileHandle,
  size: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  const socket = connect({ ...address });
  const [sent, answered] = await Promise.allSettled([
    pipeline(request(file, size), socket, { end: false, signal }),
    text(socket),
  ]);
  socket.destroy();
  // It answers before it has read everything if that is too much.
  const answer = answered.status === 'fulfilled' ? answered.value.replace(/\0$/, '') : '';
  if (answer === 'stream: OK') return undefined;
  const [, found] = /^stream: (.+) FOUND$/.exec(answer) ?? [];
  if (found !== undefined) return found;
  const cause: unknown = sent.status === 'rejected' ? sent.reason : undefined;
  throw new Error(`clamd: ${answer || 'no answer'}`, { cause });
}

/** Pieces with their lengths before them; one of no bytes ends them. */
async function* request(file: FileHandle, size: number): AsyncGenerator<Buffer> {
  yield Buffer.from('zINSTREAM\0');
  for await (const piece of file.createReadStream({ start: 0, end: size - 1, autoClose: false })) {
    yield lengthOf(piece as Buffer);
    yield piece as Buffer;
  }
  yield Buffer.alloc(4);
}

function lengthOf({ length }: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(length);
  return head;
}
