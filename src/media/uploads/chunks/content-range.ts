import { malformedContentRange } from '../upload.errors.js';

/** The bytes `start` … `end` (inclusive, zero-based) of a file of `total` bytes. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
  readonly total: number;
}

/** `bytes ∗/total`: no bytes, a question about the offset. */
export interface OffsetQuery {
  readonly total: number;
}

/**
 * Reads `bytes start-end/total` or `bytes ∗/total` (RFC 9110, 14.4) and nothing else: no signs, no leading zeros,
 * no unknown total, no number past 2^53. 0 ≤ start ≤ end < total.
 * @throws malformedContentRange
 */
export function parseContentRange(value: string): ByteRange | OffsetQuery {
  const match = /^bytes (?:(0|[1-9]\d{0,15})-(0|[1-9]\d{0,15})|\*)\/([1-9]\d{0,15})$/.exec(value);
  if (!match) throw malformedContentRange(value);
  const total = Number(match[3]);
  if (!Number.isSafeInteger(total)) throw malformedContentRange(value);
  if (match[1] === undefined) return { total };
  const range = { start: Number(match[1]), end: Number(match[2]), total };
  if (range.start > range.end || range.end >= total) throw malformedContentRange(value);
  return range;
}
