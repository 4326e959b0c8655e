import { Readable } from 'node:stream';
import { ServiceUnavailable } from '../../errors/app-error.js';
import { outOfReach } from './s3.errors.js';

/** Failures in a row, without a byte in between. */
const MAX_FAILURES = 3;

/**
 * Streams bytes `start` to `end` of an object that never changes. Where the store cuts an answer short, another one goes on
 * where it ended. Fails with ServiceUnavailable.
 * @param first the answer from `start` on
 * @param open asks for the bytes from a later position on; undefined if there are none any more
 */
export function resumed(
  first: Readable,
  { start, end }: { readonly start: number; readonly end: number },
  open: (start: number) => Promise<Readable | undefined>,
): Readable {
  const stream = Readable.from(pieces(first, start, end, open), { highWaterMark: 1 });
  // One that is given up before its first byte is read never gets to the end of `pieces`.
  return stream.once('close', () => first.destroy());
}

async function* pieces(
  first: Readable,
  start: number,
  end: number,
  open: (start: number) => Promise<Readable | undefined>,
): AsyncGenerator<Buffer> {
  let answer: AsyncIterator<Buffer> | undefined = iterated(first);
  let position = start;
  let failures = 0;
  try {
    for (;;) {
      const piece = await next().catch((error: unknown) => {
        if (++failures === MAX_FAILURES) throw outOfReach(error);
        answer = undefined;
      });
      if (piece === 'end') return;
      if (!piece) continue;
      failures = 0;
      position += piece.length;
      yield piece;
    }
  } finally {
    await answer?.return?.();
  }

  async function next(): Promise<Buffer | 'end'> {
    answer ??= iterated(await reopened());
    const { done, value } = await answer.next();
    if (!done) return value;
    if (position > end) return 'end';
    throw new Error(`The store ended its response at byte ${position} of ${end + 1}`);
  }

  async function reopened(): Promise<Readable> {
    const rest = await open(position);
    if (!rest) throw new ServiceUnavailable('Stored bytes are missing');
    return rest;
  }
}

function iterated(stream: Readable): AsyncIterator<Buffer> {
  return stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
}
