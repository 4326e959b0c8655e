/** What a client should do next. Part of every error response, so that no client has to guess. */
export const ACTIONS = [
  'resend-chunk',
  'resume-from-offset',
  'restart',
  'wait',
  'refresh-token',
  'fix-request',
  'give-up',
] as const;

export type Action = (typeof ACTIONS)[number];

export interface ErrorDetails {
  readonly action: Action;
  /** The invalid field of the request: a part, a body field, a header or a parameter. */
  readonly field?: string;
  /** Further members of the problem document (RFC 9457, 3.2), such as `offset`. */
  readonly members?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** An error for clients. Each feature lists its own in an `*.errors.ts`. */
export class AppError extends Error {
  constructor(
    /** Stable, kebab-case, for programs. */
    readonly code: string,
    readonly status: number,
    /** One sentence, for people. */
    readonly detail: string,
    readonly details: ErrorDetails,
  ) {
    super(detail, { cause: details.cause });
    this.name = new.target.name;
  }
}

/** Something that the server needs is unavailable at the moment. The same request may be retried. */
export class ServiceUnavailable extends AppError {
  constructor(
    detail = 'The server cannot answer at the moment',
    cause?: unknown,
    members?: Record<string, unknown>,
  ) {
    super('service-unavailable', 503, detail, {
      action: 'wait',
      headers: { 'Retry-After': '1' },
      ...(members && { members }),
      cause,
    });
  }
}

/** An invalid request, with the field that is wrong. */
export class InvalidRequest extends AppError {
  constructor(field: string, detail: string, code = 'invalid') {
    super(code, 400, detail, { action: 'fix-request', field });
  }
}

/** Invalid fields of a body or query. Nothing was changed. */
export class InvalidFields extends AppError {
  constructor(readonly problems: readonly FieldProblem[]) {
    super('invalid', 400, problems.map(({ messages }) => messages.join(', ')).join('; '), {
      action: 'fix-request',
      members: {
        errors: problems.map(({ field, messages }) => ({
          field,
          messages: messages.map((message) => ({ message, code: 'invalid' })),
        })),
      },
    });
  }
}

interface FieldProblem {
  readonly field: string;
  readonly messages: readonly string[];
}
