/** An upload that this process alone writes to, and where it stands in Postgres: nobody else can have moved it on. */
export interface Lease {
  readonly ownerId: string;
  readonly total: number;
  readonly offset: number;
  readonly file: string;
}

/** Beyond these the longest unused one is forgotten, and its next chunk asks Postgres. */
const MOST = 1024;

/**
 * The uploads whose next chunk may be written before Postgres is asked. A lease is taken out for a chunk and put back once
 * that is committed: whatever else happens to the chunk, the next one asks.
 */
export class Leases {
  private readonly kept = new Map<string, Lease>();

  take(id: string): Lease | undefined {
    const lease = this.kept.get(id);
    this.kept.delete(id);
    return lease;
  }

  keep(id: string, lease: Lease): void {
    // A Map keeps the order of insertion, which is that of use here.
    this.kept.delete(id);
    this.kept.set(id, lease);
    const [oldest] = this.kept.keys();
    if (this.kept.size > MOST && oldest !== undefined) this.kept.delete(oldest);
  }
}
