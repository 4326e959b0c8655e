import type { UploadPart } from './upload-session.entity.js';

/** Where an upload stood when this process appended to it last, and the part of this process that its bytes went to. */
export interface Position {
  readonly ownerId: string;
  readonly total: number;
  readonly offset: number;
  readonly part: Pick<UploadPart, 'start' | 'name'>;
  readonly expiresAt: Date;
  /** Whether the content is known. Otherwise the next chunk has to be judged together with the bytes before it. */
  readonly identified: boolean;
}

/** Beyond this number the one unused for longest is forgotten. */
const MAX_POSITIONS = 4096;

/** A cache: losing an entry costs a query and a new part, nothing else. */
export class Positions {
  private readonly kept = new Map<string, Position>();

  get(uploadId: string): Position | undefined {
    return this.kept.get(uploadId);
  }

  keep(uploadId: string, position: Position): void {
    // A Map keeps the order of insertion, which is that of use here.
    this.kept.delete(uploadId);
    this.kept.set(uploadId, position);
    const [oldest] = this.kept.keys();
    if (this.kept.size > MAX_POSITIONS && oldest !== undefined) this.kept.delete(oldest);
  }

  forget(uploadId: string): void {
    this.kept.delete(uploadId);
  }
}
