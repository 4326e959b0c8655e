import type { ProblemDto } from './api-types.js';

/** What to do next, according to the server or, without a response, to this client. */
export type Action = ProblemDto['action'];

interface UploadErrorDetails {
  readonly action: Action;
  /** HTTP status; 0 without a response. */
  readonly status?: number | undefined;
  /** The problem document of the server, with all members (RFC 9457). */
  readonly problem?: Partial<ProblemDto> & Readonly<Record<string, unknown>>;
  /** How long the server asks clients to wait. */
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

/** Every way an upload can fail: `code` for programs, `message` for people. */
export class UploadError extends Error {
  override readonly name = 'UploadError';
  readonly action: Action;
  readonly status: number;
  readonly problem: UploadErrorDetails['problem'];
  readonly retryAfterMs: number;

  constructor(
    /** The code of the server's problem, `http-<status>` for a response of a proxy, or a code of this client. */
    readonly code: string,
    message: string,
    details: UploadErrorDetails,
  ) {
    super(message, { cause: details.cause });
    this.action = details.action;
    this.status = details.status ?? 0;
    this.problem = details.problem;
    this.retryAfterMs = details.retryAfterMs ?? 0;
  }

  /** The offset of the upload, if the server has sent it. */
  get offset(): number | undefined {
    const offset = Number(this.problem?.offset ?? Number.NaN);
    return Number.isSafeInteger(offset) && offset >= 0 ? offset : undefined;
  }
}

/** The request may or may not have arrived, so the server has to be asked. */
export class AnswerLost extends UploadError {
  constructor(code: 'network' | 'timeout' | 'offline' | 'bad-answer', message: string, cause?: unknown) {
    super(code, message, { action: 'resume-from-offset', cause });
  }
}

/** A local problem. Retrying would not help. */
export class LocalError extends UploadError {
  constructor(
    code:
      | 'aborted'
      | 'bad-header'
      | 'bad-url'
      | 'no-token'
      | 'empty-file'
      | 'file-changed'
      | 'source-changed'
      | 'source-unreadable'
      | 'unexpected',
    message: string,
    cause?: unknown,
  ) {
    super(code, message, { action: 'give-up', cause });
  }
}

/** Callbacks and stores may throw anything. */
export function toUploadError(error: unknown): UploadError {
  if (error instanceof UploadError) return error;
  return new LocalError('unexpected', error instanceof Error ? error.message : String(error), error);
}

export function fileChanged(): LocalError {
  return new LocalError('file-changed', 'The file changed while it was uploaded');
}

export function badAnswer(): AnswerLost {
  return new AnswerLost('bad-answer', 'The answer is not from the server');
}
