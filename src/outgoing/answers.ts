import type { Readable } from 'node:stream';

/** The first bytes of a response of another program, which may be endless. */
export async function beginning(answer: Readable, maxBytes: number): Promise<string> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of answer) {
    pieces.push(piece as Buffer);
    length += (piece as Buffer).length;
    if (length > maxBytes) break;
  }
  return Buffer.concat(pieces).toString('utf8', 0, maxBytes);
}

/**
 * Text of another program as one line, safe for clients, rows and terminals: without control characters, and without
 * lone surrogates, which Postgres does not accept.
 */
export function plainText(text: string, maxChars: number): string {
  const line = text.replace(/[\p{Cc}\p{Cf}\p{Cs}\s]+/gu, ' ').trim();
  return [...line.slice(0, 2 * maxChars)].slice(0, maxChars).join('');
}
