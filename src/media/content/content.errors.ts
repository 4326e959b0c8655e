import mimeTypes from 'mime-types';
import { MEDIA_TYPES } from '../../config/media-types.js';
import { AppError } from '../../errors/app-error.js';
import { byteSize } from '../byte-size.js';
import { contentType } from './content-type.js';

/** What a client claimed about a file, and what it may send. */
export interface Claim {
  /** The media type of the part, or else the file name. */
  readonly declared: string | null;
  readonly allowed?: readonly string[];
}

export class UnsupportedContent extends AppError {
  /** @param why a sentence, if the detected type does not explain the refusal */
  constructor(detected: string | null, { declared, allowed = MEDIA_TYPES }: Claim, why?: string) {
    super(
      'unsupported-content',
      415,
      why ?? `${refusal(detected)}. Accepted are ${allowed.map(kindOf).join(', ')}`,
      { action: 'give-up', members: { detected, declared, allowed } },
    );
  }
}

function refusal(detected: string | null): string {
  return detected === null
    ? "The server can't tell what kind of file this is"
    : `${kindOf(detected)} files are not accepted`;
}

/** People know kinds of files by their extensions. */
function kindOf(mime: string): string {
  const extension = contentType(mime)?.extension ?? mimeTypes.extension(mime);
  return extension ? extension.toUpperCase() : mime;
}

export class UploadTooLarge extends AppError {
  constructor(kind: 'image' | 'document', maxBytes: number) {
    super('upload-too-large', 413, `The ${kind} is too large: ${kind}s may be up to ${byteSize(maxBytes)}`, {
      action: 'give-up',
      members: { kind, max_bytes: maxBytes },
    });
  }
}

/** An image that cannot be read: damaged, truncated, or with too many pixels or frames. */
export class UnreadableImage extends AppError {
  constructor(cause?: unknown) {
    super('unreadable-image', 415, 'The image is damaged or has too many pixels or frames', {
      action: 'give-up',
      cause,
    });
  }
}

/** A retry would take as much memory and time again. */
export class ImageTooCostly extends AppError {
  constructor(cause?: unknown) {
    super(
      'image-too-costly',
      413,
      'Turning the image upright takes too much memory, time or space: upload it upright',
      { action: 'give-up', cause },
    );
  }
}

export class InfectedContent extends AppError {
  constructor(found: string) {
    super('infected', 415, `The file is infected: ${found}`, { action: 'give-up', members: { found } });
  }
}

/** The operator's backend has refused the file. */
export class NotAdmitted extends AppError {
  constructor(words = 'The file is not accepted') {
    super('not-admitted', 422, words, { action: 'give-up' });
  }
}

export class NotAnImage extends AppError {
  constructor(detected: string) {
    super('not-an-image', 400, 'The type is image, but the content is not an image', {
      action: 'fix-request',
      field: 'type',
      members: { detected },
    });
  }
}

/** One of each error that ends an upload because of its content. */
export const REFUSALS: readonly AppError[] = [
  new UnsupportedContent('application/zip', { declared: 'report.pdf' }, 'An archive is hidden in the file'),
  new UnreadableImage(),
  new UploadTooLarge('image', 5_242_880),
  new ImageTooCostly(),
  new InfectedContent('Eicar-Signature'),
  new NotAdmitted(),
];

export function isRefusal(error: unknown): error is AppError {
  return REFUSALS.some((refusal) => error instanceof refusal.constructor);
}
