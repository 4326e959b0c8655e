import { contentType, type ContentType } from './content-type.js';

export interface Accepted {
  readonly verdict: 'accepted';
  readonly type: ContentType;
}

export interface Refused {
  readonly verdict: 'refused';
  /** A media type; null when the bytes resemble nothing known. */
  readonly detected: string | null;
  /** For people, where the type alone does not say it. */
  readonly why?: string;
}

/** The bytes so far could still become a file of one of these media types. */
export interface Undecided {
  readonly verdict: 'undecided';
  readonly among: readonly string[];
}

export function accepted(mime: string): Accepted | Refused {
  const type = contentType(mime);
  return type ? { verdict: 'accepted', type } : refused(mime);
}

export function refused(detected: string | null, why?: string): Refused {
  return { verdict: 'refused', detected, ...(why !== undefined && { why }) };
}
