import { contentType, type ContentType } from './content-type.js';

export interface Accepted {
  readonly kind: 'accepted';
  readonly type: ContentType;
}

export interface Refused {
  readonly kind: 'refused';
  /** A media type; null if it is unknown. */
  readonly detected: string | null;
  /** For people, if the type alone does not explain the refusal. */
  readonly why?: string;
}

/** The media types that the file may still turn out to have. */
export interface Undecided {
  readonly kind: 'undecided';
  readonly among: readonly string[];
  /** What the bytes look like so far. */
  readonly detected: string | null;
}

export const WITH_MACROS = 'Documents with macros are not accepted';
export const WITH_PASSWORD = 'The document is protected by a password';

export function accepted(mime: string): Accepted | Refused {
  const type = contentType(mime);
  return type ? { kind: 'accepted', type } : refused(mime);
}

export function undecided(among: readonly string[], detected: string | null = null): Undecided {
  return { kind: 'undecided', among, detected };
}

export function refused(detected: string | null, why?: string): Refused {
  return { kind: 'refused', detected, ...(why !== undefined && { why }) };
}
