import type { ByteRange } from './content-range.js';
import { InconsistentLength, OffsetMismatch } from './upload.errors.js';

/**
 * How many of a chunk's leading bytes the session already has: 0 for the next chunk in series, all of them for a
 * repeat, some for an overlap. Those bytes must be compared with the stored ones before anything is made of them.
 * @throws OffsetMismatch when the chunk starts past the offset
 * @throws InconsistentLength when it speaks of a file of another length
 */
export function overlapOf(
  session: { offset: number; total: number },
  { start, end, total }: ByteRange,
): number {
  if (total !== session.total) throw new InconsistentLength(session.total);
  if (start > session.offset) throw new OffsetMismatch(session.offset);
  return Math.min(session.offset, end + 1) - start;
}
