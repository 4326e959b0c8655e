import type { FileHandle } from 'node:fs/promises';
import { connect } from 'node:net';
import { addAbortSignal, Readable } from 'node:stream';
import type { Config } from '../../config/config.js';
import { beginning } from '../../outgoing/answers.js';

/** A response is one line. */
const MAX_ANSWER_BYTES = 4096;

export type Address = NonNullable<Config['admission']['clamd']>;

/**
 * Scans a file with the INSTREAM command of clamd. Returns the name of what was found, or undefined.
 * @throws Error if clamd has no result, also because of its limits
 */
export async function scan(
  address: Address,
  file: FileHandle,
  size: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  const socket = addAbortSignal(signal, connect({ ...address }));
  // Not `pipeline`, which never settles if the other side closes the connection while it waits for `drain`.
  const request = Readable.from(requestOf(file, size)).on('error', (error) => socket.destroy(error));
  request.pipe(socket, { end: false });
  let answer: string;
  try {
    answer = (await beginning(socket, MAX_ANSWER_BYTES)).replace(/\0$/, '');
  } catch (cause) {
    throw new Error('clamd does not respond', { cause });
  } finally {
    request.destroy();
    socket.destroy();
  }
  if (answer === 'stream: OK') return undefined;
  const [, found] = /^stream: (.+) FOUND$/.exec(answer) ?? [];
  if (found !== undefined) return found;
  throw new Error(`clamd: ${answer || 'an empty answer'}`);
}

/** Each piece is preceded by its length. An empty one marks the end. */
async function* requestOf(file: FileHandle, size: number): AsyncGenerator<Buffer> {
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
