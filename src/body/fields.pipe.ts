import { Injectable, type ArgumentMetadata, type PipeTransform } from '@nestjs/common';
import type { Request } from 'express';
import { WholeRequest } from '../http/whole-request.js';
import { validation } from '../http/validation.js';
import { MalformedBody, UnsupportedBody } from './body.errors.js';
import { boundaryOf, parseMultipart } from './multipart.js';
import { readBody } from './read-body.js';

const MAX_BYTES = 64 * 1024;

/**
 * Reads a small body in any of the three encodings that clients use, and validates it against the DTO of the parameter.
 */
@Injectable()
export class FieldsPipe implements PipeTransform<Request> {
  async transform(request: Request, { metatype }: ArgumentMetadata): Promise<unknown> {
    const fields = toFields(await readBody(request, MAX_BYTES), request.headers['content-type']);
    return await validation.transform(fields, { type: 'body', metatype });
  }
}

/** The fields of the body, as the DTO class of the parameter; JSON, urlencoded or multipart. */
export const Fields = () => WholeRequest(FieldsPipe);

function toFields(body: Buffer, mediaType: string | undefined): Record<string, unknown> {
  const boundary = boundaryOf(mediaType);
  if (boundary !== undefined) {
    return Object.fromEntries(
      parseMultipart(body, boundary).map(({ name, data }) => [name, data.toString('utf8')]),
    );
  }
  if (body.length === 0) return {};
  if (/^application\/(json|[\w.-]+\+json)\b/i.test(mediaType ?? '')) return parseJson(body);
  if (/^application\/x-www-form-urlencoded\b/i.test(mediaType ?? '')) {
    return Object.fromEntries(new URLSearchParams(body.toString('utf8')));
  }
  throw new UnsupportedBody('The body must be JSON, urlencoded or multipart/form-data');
}

function parseJson(body: Buffer): Record<string, unknown> {
  let value: unknown;
  try {
    // Drops a byte order mark, as RFC 8259, 8.1 allows.
    value = JSON.parse(new TextDecoder().decode(body));
  } catch (cause) {
    throw new MalformedBody('The body is not valid JSON', cause);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return flat(value);
  throw new MalformedBody('The body must be a JSON object');
}

/** Replaces nested values by empty ones, which then have the wrong type: deep nesting could overflow the stack. */
function flat(value: object): Record<string, unknown> {
  const entries = Object.entries(value) as [string, unknown][];
  return Object.fromEntries(entries.map(([name, one]) => [name, nests(one) ? {} : one]));
}

function nests(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}
