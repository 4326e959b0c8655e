import { byteSize } from '../byte-size.js';
import { AppError, InvalidRequest, type Action, type ErrorDetails } from '../../errors/app-error.js';

/** Every way an upload can be refused: code, status, the client's next step and words stand together. */

const problem = (
  code: string,
  status: number,
  action: Action,
  detail: string,
  details: Omit<ErrorDetails, 'action'> = {},
) => new AppError(code, status, detail, { action, ...details });

const at = (offset: number) => ({ members: { offset: String(offset) } });

/** How soon to try again for room: about as long as another upload takes. */
const LATER = { headers: { 'Retry-After': '30' } };

export const uploadNotFound = () => problem('upload-not-found', 404, 'restart', 'There is no such upload');

export const uploadExpired = () => problem('upload-expired', 410, 'restart', 'The upload has expired');

export const uploadCancelled = () => problem('upload-cancelled', 410, 'restart', 'The upload was cancelled');

/** @param reason code and detail of the error that refused the content */
export const uploadRejected = (reason: { readonly code: string; readonly detail: string } | null) =>
  problem('upload-rejected', 410, 'give-up', reason?.detail ?? 'The content was refused', {
    members: { reason: reason?.code ?? null },
  });

export const uploadComplete = (mediaId: number | null) =>
  problem('upload-complete', 409, 'give-up', 'The upload is complete', { members: { media_id: mediaId } });

export const uploadIncomplete = (offset: number) =>
  problem('upload-incomplete', 409, 'resume-from-offset', 'Bytes are missing', at(offset));

/** The chunk starts past the offset: bytes between them are missing. */
export const offsetMismatch = (offset: number, action: Action = 'resume-from-offset') =>
  problem('mismatching-upload-offset', 409, action, 'Offsets do not match', at(offset));

/** The chunk repeats bytes that are stored, but not the same bytes. */
export const chunkConflict = (offset: number) =>
  problem('chunk-conflict', 409, 'restart', 'The chunk differs from the stored bytes', at(offset));

export const inconsistentLength = (total: number) =>
  problem('inconsistent-upload-length', 400, 'fix-request', `The upload has a total of ${total} bytes`, {
    field: 'Content-Range',
    members: { total: String(total) },
  });

export const checksumMismatch = (offset: number) =>
  problem('checksum-mismatch', 400, 'restart', 'Checksum mismatch: the stored bytes have a different MD5', {
    field: 'md5',
    ...at(offset),
  });

export const chunkLengthMismatch = (announced: number, received: number) =>
  problem(
    'chunk-length-mismatch',
    400,
    'resend-chunk',
    `Content-Range says ${announced} bytes, but the part has ${received}`,
    { field: 'Content-Range' },
  );

export const chunkTooLarge = (maxBytes: number, advice: string) =>
  problem(
    'chunk-too-large',
    413,
    'fix-request',
    `At most ${maxBytes} bytes fit into this request. ${advice}`,
    {
      members: { max_bytes: maxBytes },
    },
  );

/** Each part costs a row and a file, however few bytes it has. */
export const chunksTooSmall = (minBytes: number) =>
  problem('chunks-too-small', 400, 'fix-request', `Send chunks of at least ${minBytes} bytes`, {
    members: { min_bytes: minBytes },
  });

/** @param seconds until it may be tried again */
export const rateExceeded = (rate: 'uploads-per-hour' | 'bytes-per-second', seconds: number) =>
  problem('rate-exceeded', 429, 'wait', `Too many ${rate.replaceAll('-', ' ')}; try again later`, {
    headers: { 'Retry-After': String(seconds) },
    members: { rate },
  });

export const tooManyUploads = (maxOpen: number) =>
  problem('too-many-uploads', 429, 'wait', `At most ${maxOpen} uploads may be open; finish or cancel one`, {
    members: { max_open: maxOpen },
    ...LATER,
  });

/** The open uploads leave no room for this one until some of them end. */
export const reservedQuotaExceeded = (maxBytes: number) =>
  problem(
    'quota-exceeded',
    429,
    'wait',
    `Open uploads may reserve ${byteSize(maxBytes)} in total; finish or cancel one`,
    {
      members: { quota: 'reserved', max_bytes: maxBytes },
      ...LATER,
    },
  );

/** The finished files leave no room for this one until some are deleted. */
export const storedQuotaExceeded = (maxBytes: number) =>
  problem('quota-exceeded', 413, 'give-up', `Files may use ${byteSize(maxBytes)} in total; delete some`, {
    members: { quota: 'stored', max_bytes: maxBytes },
  });

/** Whether a limit of a user or an address has refused the request, which is audited. */
export const isLimit = (error: unknown): error is AppError =>
  error instanceof AppError && (error.status === 429 || error.code === 'quota-exceeded');

const EMPTY = 'The file is empty';
const RANGE = 'Content-Range must be "bytes start-end/total" with start ≤ end < total';

export const malformedContentRange = (value = '') => {
  const detail = value.endsWith('/0') ? EMPTY : RANGE;
  return new InvalidRequest('Content-Range', detail, 'malformed-content-range');
};

export const missingContentRange = () =>
  new InvalidRequest(
    'Content-Range',
    'A chunk with an upload_id needs a Content-Range',
    'missing-content-range',
  );

export const missingChunk = () =>
  new InvalidRequest(
    'image',
    'Send one file part named image, document or file that is not empty',
    'missing-chunk',
  );

export const emptyFile = () => new InvalidRequest('image', EMPTY, 'missing-chunk');

export const ambiguousChunk = () =>
  new InvalidRequest('image', 'The request has more than one file part', 'ambiguous-chunk');

const BODIES =
  'Send the chunk as a file part of multipart/form-data, or its bytes as application/octet-stream';

const unsupportedBody = (detail: string) =>
  problem('unsupported-body', 415, 'fix-request', detail, { field: 'Content-Type' });

export const unsupportedChunkBody = (mediaType: string) => unsupportedBody(`${BODIES}, not ${mediaType}`);

export const mislabelledForm = () =>
  unsupportedBody(
    'The body is a form, but its Content-Type is not: let the library that makes the form set it',
  );
