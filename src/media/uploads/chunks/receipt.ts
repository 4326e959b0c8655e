/** Where an upload stands after a chunk. */
export interface Receipt {
  readonly id: string;
  readonly offset: number;
  readonly expiresAt: Date;
  readonly outcome: Outcome;
}

/** `replayed`: all bytes had been stored before. `queried`: the request brought no chunk, only the question. */
export type Outcome = 'appended' | 'replayed' | 'queried';
