import { STATUS_CODES } from 'node:http';
import { HttpException } from '@nestjs/common';
import { AppError, type Action } from './app-error.js';
import { fromDatabase } from './database-errors.js';

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly action: Action;
  readonly request_id: string;
  readonly errors: readonly ProblemError[];
  readonly [member: string]: unknown;
}

interface Message {
  readonly message: string;
  readonly code: string;
}

/** The format that the user interface of the platform reads: by field, if there is one. */
type ProblemError = Message | { readonly field: string; readonly messages: readonly Message[] };

/** Problem types registered with IANA. Ours are URNs made of the code. */
const REGISTERED: Readonly<Record<string, string>> = {
  'mismatching-upload-offset': 'https://iana.org/assignments/http-problem-types#mismatching-upload-offset',
  'inconsistent-upload-length': 'https://iana.org/assignments/http-problem-types#inconsistent-upload-length',
  'upload-complete': 'https://iana.org/assignments/http-problem-types#completed-upload',
};

/** Turns anything thrown into an error for clients. Unexpected errors become a 500 without details. */
export function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  if (error instanceof HttpException) return fromHttpException(error);
  return fromDatabase(error) ?? internal(error);
}

export function toProblem(error: AppError, requestId: string): Problem {
  const message: Message = { message: error.detail, code: error.code };
  const { action, field, members } = error.details;
  return {
    type: REGISTERED[error.code] ?? `urn:mediadock:problem:${error.code}`,
    title: STATUS_CODES[error.status] ?? 'Error',
    status: error.status,
    code: error.code,
    detail: error.detail,
    action,
    request_id: requestId,
    errors: [field === undefined ? message : { field, messages: [message] }],
    ...members,
  };
}

const CODES: Readonly<Record<number, string>> = {
  400: 'bad-request',
  404: 'not-found',
  405: 'method-not-allowed',
  503: 'service-unavailable',
};

function fromHttpException(error: HttpException): AppError {
  const status = error.getStatus();
  const code = CODES[status] ?? `http-${status}`;
  const action = status >= 500 ? 'wait' : 'fix-request';
  // Nest's message for a missing route contains the URL, and that may contain an upload id.
  const detail = status === 404 ? 'There is nothing at this URL' : error.message;
  return new AppError(code, status, detail, { action, cause: error });
}

function internal(cause: unknown): AppError {
  return new AppError('internal', 500, 'The server failed to handle the request', { action: 'wait', cause });
}
