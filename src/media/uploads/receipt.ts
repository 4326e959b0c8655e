/** Where an upload stands after a chunk. */
export interface Receipt {
  readonly id: string;
  readonly offset: number;
  readonly expiresAt: Date;
  /** The chunk had been stored before; nothing was written. */
  readonly replayed: boolean;
  /** The request brought no chunk, only the question. */
  readonly asked: boolean;
}
