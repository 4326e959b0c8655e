import { AppError, InvalidRequest, type Action } from '../../errors/app-error.js';

/** Every way an upload can be refused. Code, status, words and the client's next step stand together. */

/** How long before an upload that had no room may be tried again: about as long as another one takes. */
const LATER = { action: 'wait', headers: { 'Retry-After': '30' } } as const;

export class UploadNotFound extends AppError {
  constructor() {
    super('upload-not-found', 404, 'There is no such upload', { action: 'restart' });
  }
}

export class UploadExpired extends AppError {
  constructor() {
    super('upload-expired', 410, 'The upload has expired', { action: 'restart' });
  }
}

export class UploadCancelled extends AppError {
  constructor() {
    super('upload-cancelled', 410, 'The upload was cancelled', { action: 'restart' });
  }
}

/** The upload was refused for what its bytes are; `code` and `detail` are those of the refusal. */
export class UploadRejected extends AppError {
  constructor(reason: { readonly code: string; readonly detail: string } | null) {
    super('upload-rejected', 410, reason?.detail ?? 'The content was refused', {
      action: 'give-up',
      members: { reason: reason?.code ?? null },
    });
  }
}

export class UploadComplete extends AppError {
  constructor(mediaId: number | null) {
    super('upload-complete', 409, 'The upload is complete', {
      action: 'give-up',
      members: { media_id: mediaId },
    });
  }
}

export class UploadIncomplete extends AppError {
  constructor(offset: number) {
    super('upload-incomplete', 409, 'Bytes are missing', at(offset, 'resume-from-offset'));
  }
}

/** The chunk starts past the offset: bytes between them are missing. */
export class OffsetMismatch extends AppError {
  constructor(offset: number, action: Action = 'resume-from-offset') {
    super('mismatching-upload-offset', 409, 'Offsets do not match', at(offset, action));
  }
}

/** The chunk repeats bytes that are stored, but not the same bytes. */
export class ChunkConflict extends AppError {
  constructor(offset: number) {
    super('chunk-conflict', 409, 'The chunk differs from the bytes that are stored', at(offset, 'restart'));
  }
}

export class InconsistentLength extends AppError {
  constructor(total: number) {
    super('inconsistent-upload-length', 400, `The upload was opened with a total of ${total} bytes`, {
      action: 'fix-request',
      field: 'Content-Range',
      members: { total: String(total) },
    });
  }
}

export class ChecksumMismatch extends AppError {
  constructor(offset: number) {
    super('checksum-mismatch', 400, 'The md5 of the stored bytes is another one', {
      ...at(offset, 'restart'),
      field: 'md5',
    });
  }
}

export class ChunkLengthMismatch extends AppError {
  constructor(announced: number, received: number) {
    super(
      'chunk-length-mismatch',
      400,
      `Content-Range announces ${announced} bytes, the part has ${received}`,
      {
        action: 'resend-chunk',
        field: 'Content-Range',
      },
    );
  }
}

export class ChunkTooLarge extends AppError {
  constructor(maxBytes: number) {
    super('chunk-too-large', 413, `A chunk may have at most ${maxBytes} bytes`, {
      action: 'fix-request',
      members: { max_bytes: maxBytes },
    });
  }
}

export class TooManyUploads extends AppError {
  constructor(maxOpen: number) {
    super('too-many-uploads', 429, `At most ${maxOpen} uploads may be open at a time: finish or cancel one`, {
      ...LATER,
      members: { max_open: maxOpen },
    });
  }
}

/** Faster than a user or an address may be. */
export class RateExceeded extends AppError {
  /** @param seconds until it may be tried again */
  constructor(rate: 'uploads-per-hour' | 'bytes-per-second', seconds: number) {
    const words =
      rate === 'uploads-per-hour' ? 'uploads were opened within an hour' : 'bytes came within seconds';
    super('rate-exceeded', 429, `Too many ${words}`, {
      action: 'wait',
      headers: { 'Retry-After': String(seconds) },
      members: { rate },
    });
  }
}

/** Whether it is a limit of a user or an address that refuses: what an operator may want to know of. */
export function isLimit(error: unknown): error is AppError {
  return error instanceof AppError && (error.status === 429 || error instanceof StoredQuotaExceeded);
}

/** The open uploads have room for no more; they make some when they end. */
export class ReservedQuotaExceeded extends AppError {
  constructor(maxBytes: number) {
    super('quota-exceeded', 429, `Open uploads may have ${maxBytes} bytes together: finish or cancel one`, {
      ...LATER,
      members: { quota: 'reserved', max_bytes: maxBytes },
    });
  }
}

/** The finished files leave no room for this one; it comes only when some are deleted. */
export class StoredQuotaExceeded extends AppError {
  constructor(maxBytes: number) {
    super('quota-exceeded', 413, `Files may have ${maxBytes} bytes together: delete some`, {
      action: 'give-up',
      members: { quota: 'stored', max_bytes: maxBytes },
    });
  }
}

export class MalformedContentRange extends InvalidRequest {
  constructor() {
    super(
      'Content-Range',
      'Content-Range must be "bytes start-end/total" with start ≤ end < total',
      'malformed-content-range',
    );
  }
}

export class MissingContentRange extends InvalidRequest {
  constructor() {
    super('Content-Range', 'A chunk with an upload_id needs a Content-Range', 'missing-content-range');
  }
}

export class MissingChunk extends InvalidRequest {
  constructor() {
    super(
      'image',
      'The request needs one file part named image, document or file, of at least one byte',
      'missing-chunk',
    );
  }
}

export class UnsupportedChunkBody extends AppError {
  constructor(mediaType: string) {
    super(
      'unsupported-body',
      415,
      `Send the chunk as a file part of multipart/form-data, or its bytes alone as application/octet-stream, not as ${mediaType}`,
      { action: 'fix-request', field: 'Content-Type' },
    );
  }
}

export class AmbiguousChunk extends InvalidRequest {
  constructor() {
    super('image', 'The request has more than one file part', 'ambiguous-chunk');
  }
}

function at(offset: number, action: Action) {
  return { action, members: { offset: String(offset) } };
}
