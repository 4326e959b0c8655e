import type { PartStart } from './upload-session.entity.js';

/**
 * Where an upload stood when this process appended to it last, and the part of this process that its bytes went to. Only ever
 * cached: losing it costs a query and a new part, nothing else.
 */
export interface Position {
  readonly ownerId: string;
  readonly total: number;
  readonly offset: number;
  readonly part: PartStart;
  readonly expiresAt: Date;
  /** Whether the content is known. Otherwise the next chunk is judged together with the bytes before it. */
  readonly identified: boolean;
}
