import { AppError } from '../../errors/app-error.js';
import { ACCEPTED_TYPES } from './content-type.js';

export class UnsupportedContent extends AppError {
  constructor(detected: string | null, declared: string | null) {
    super('unsupported-content', 415, `Files of this kind are not taken: ${detected ?? 'unknown content'}`, {
      action: 'give-up',
      members: { detected, declared, allowed: ACCEPTED_TYPES },
    });
  }
}

export class UploadTooLarge extends AppError {
  constructor(kind: 'image' | 'document', maxBytes: number) {
    super('upload-too-large', 413, `The ${kind} may have at most ${maxBytes} bytes`, {
      action: 'give-up',
      members: { kind, max_bytes: maxBytes },
    });
  }
}

/** The bytes say image and no image comes of them: damaged, cut short, or of more pixels or frames than are taken. */
export class UnreadableImage extends AppError {
  constructor(cause?: unknown) {
    super('unreadable-image', 415, 'The image is damaged or has too many pixels or frames', {
      action: 'give-up',
      cause,
    });
  }
}

export class NotAnImage extends AppError {
  constructor(detected: string) {
    super('not-an-image', 400, 'type says image, the bytes say otherwise', {
      action: 'fix-request',
      field: 'type',
      members: { detected },
    });
  }
}
