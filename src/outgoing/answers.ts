import type { Readable } from 'node:stream';

/** The first bytes of what another program says, which may have no end. */
export async function beginning(answer: Readable, mostBytes: number): Promise<string> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of answer) {
    pieces.push(piece as Buffer);
    length += (piece as Buffer).length;
    if (length > mostBytes) break;
  }
  return Buffer.concat(pieces).toString('utf8', 0, mostBytes);
}

/**
 * Text of another program, as one line for a client, a row and a terminal: without control characters, and without halves of
 * surrogate pairs, which Postgres does not take.
 */
export function plainText(text: string, mostCharacters: number): string {
  const line = text.replace(/[\p{Cc}\p{Cf}\p{Cs}\s]+/gu, ' ').trim();
  return [...line.slice(0, 2 * mostCharacters)].slice(0, mostCharacters).join('');
}
