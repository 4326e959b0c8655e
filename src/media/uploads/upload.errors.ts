import { AppError, InvalidRequest, type Action } from '../../errors/app-error.js';

/** Every way an upload can be refused: code, status, words and the client's next step stand together. */

/** How soon to try again for room: about as long as another upload takes. */
const LATER = { action: 'wait', headers: { 'Retry-After': '30' } } as const;

const at = (offset: number, action: Action) => ({ action, members: { offset: String(offset) } });

export const uploadNotFound = () =>
  new AppError('upload-not-found', 404, 'There is no such upload', { action: 'restart' });

export const uploadExpired = () =>
  new AppError('upload-expired', 410, 'The upload has expired', { action: 'restart' });

export const uploadCancelled = () =>
  new AppError('upload-cancelled', 410, 'The upload was cancelled', { action: 'restart' });

/** @param reason code and detail of the error that refused the content */
export const uploadRejected = (reason: { readonly code: string; readonly detail: string } | null) =>
  new AppError('upload-rejected', 410, reason?.detail ?? 'The content was refused', {
    action: 'give-up',
    members: { reason: reason?.code ?? null },
  });

export const uploadComplete = (mediaId: number | null) =>
  new AppError('upload-complete', 409, 'The upload is complete', {
    action: 'give-up',
    members: { media_id: mediaId },
  });

export const uploadIncomplete = (offset: number) =>
  new AppError('upload-incomplete', 409, 'Bytes are missing', at(offset, 'resume-from-offset'));

/** The chunk starts past the offset: bytes between them are missing. */
export const offsetMismatch = (offset: number, action: Action = 'resume-from-offset') =>
  new AppError('mismatching-upload-offset', 409, 'Offsets do not match', at(offset, action));

/** The chunk repeats bytes that are stored, but not the same bytes. */
export const chunkConflict = (offset: number) =>
  new AppError('chunk-conflict', 409, 'The chunk differs from the stored bytes', at(offset, 'restart'));

export const inconsistentLength = (total: number) =>
  new AppError('inconsistent-upload-length', 400, `The upload was opened with a total of ${total} bytes`, {
    action: 'fix-request',
    field: 'Content-Range',
    members: { total: String(total) },
  });

export const checksumMismatch = (offset: number) =>
  new AppError('checksum-mismatch', 400, 'Checksum mismatch: the stored bytes have another md5', {
    ...at(offset, 'restart'),
    field: 'md5',
  });

export const chunkLengthMismatch = (announced: number, received: number) =>
  new AppError(
    'chunk-length-mismatch',
    400,
    `Content-Range says ${announced} bytes, the part has ${received}`,
    {
      action: 'resend-chunk',
      field: 'Content-Range',
    },
  );

export const chunkTooLarge = (maxBytes: number) =>
  new AppError('chunk-too-large', 413, `A chunk may have at most ${maxBytes} bytes`, {
    action: 'fix-request',
    members: { max_bytes: maxBytes },
  });

/** @param seconds until it may be tried again */
export const rateExceeded = (rate: 'uploads-per-hour' | 'bytes-per-second', seconds: number) =>
  new AppError('rate-exceeded', 429, `Too many ${rate.replaceAll('-', ' ')}; try again later`, {
    action: 'wait',
    headers: { 'Retry-After': String(seconds) },
    members: { rate },
  });

export const tooManyUploads = (maxOpen: number) =>
  new AppError('too-many-uploads', 429, `At most ${maxOpen} uploads may be open; finish or cancel one`, {
    ...LATER,
    members: { max_open: maxOpen },
  });

/** The open uploads leave no room for this one until some of them end. */
export const reservedQuotaExceeded = (maxBytes: number) =>
  new AppError(
    'quota-exceeded',
    429,
    `Open uploads may have ${maxBytes} bytes together; finish or cancel one`,
    {
      ...LATER,
      members: { quota: 'reserved', max_bytes: maxBytes },
    },
  );

/** The finished files leave no room for this one until some are deleted. */
export const storedQuotaExceeded = (maxBytes: number) =>
  new AppError('quota-exceeded', 413, `Files may have ${maxBytes} bytes together; delete some`, {
    action: 'give-up',
    members: { quota: 'stored', max_bytes: maxBytes },
  });

/** Whether a limit of a user or an address refuses: operators may want to know. */
export const isLimit = (error: unknown): error is AppError =>
  error instanceof AppError && (error.status === 429 || error.code === 'quota-exceeded');

export const malformedContentRange = () =>
  new InvalidRequest(
    'Content-Range',
    'Content-Range must be "bytes start-end/total" with start ≤ end < total',
    'malformed-content-range',
  );

export const missingContentRange = () =>
  new InvalidRequest(
    'Content-Range',
    'A chunk with an upload_id needs a Content-Range',
    'missing-content-range',
  );

export const missingChunk = () =>
  new InvalidRequest(
    'image',
    'Send one file part named image, document or file, of at least one byte',
    'missing-chunk',
  );

export const ambiguousChunk = () =>
  new InvalidRequest('image', 'The request has more than one file part', 'ambiguous-chunk');

export const unsupportedChunkBody = (mediaType: string) =>
  new AppError(
    'unsupported-body',
    415,
    `Send the chunk as a file part of multipart/form-data, or its bytes as application/octet-stream, not ${mediaType}`,
    { action: 'fix-request', field: 'Content-Type' },
  );
