import type { UploadDto } from './api-types.js';
import { gistOf } from './title.js';
import type { TransferParts } from './transfer.js';
import { UploadError } from './upload-error.js';

/**
 * Finds an open upload of the same file that another device has started: with the same name and size, and with the same
 * bytes before its offset, which are sent again so that the server compares them. At the end, the MD5 decides.
 */
export async function findElsewhere(
  parts: TransferParts,
  chunkBytes: number,
  signal: AbortSignal,
): Promise<UploadDto | undefined> {
  const { api, source, gist, cancellations } = parts;
  const cancelled = await cancellations.pending();
  for (let offset = 0, more = true; more;) {
    const { results, next } = await api.sessions(offset, signal);
    for (const session of results) {
      const alike = Number(session.total) === source.size && gistOf(session.title) === gist;
      if (
        alike &&
        !cancelled.includes(session.upload_id) &&
        (await holdsSameBytes(parts, session, chunkBytes, signal))
      )
        return session;
    }
    offset += results.length;
    more = next !== null && results.length > 0;
  }
  return undefined;
}

async function holdsSameBytes(
  { api, source, checksum }: TransferParts,
  session: UploadDto,
  chunkBytes: number,
  signal: AbortSignal,
): Promise<boolean> {
  const end = Number(session.offset);
  // `fsck --fix` may have set it back to 0. An empty chunk has no Content-Range.
  if (end === 0) return false;
  const start = Math.max(0, end - chunkBytes);
  await checksum.reach(start, signal);
  const bytes = await source.read(start, end);
  const chunk = { start, total: source.size, bytes, uploadId: session.upload_id, idempotencyKey: '' };
  try {
    await api.chunk({ ...chunk, name: undefined, expires: undefined }, signal);
    return true;
  } catch (error) {
    // It has other bytes, or has ended meanwhile.
    if (error instanceof UploadError && error.action === 'restart') return false;
    throw error;
  }
}
