import { Injectable } from '@nestjs/common';
import { StartError } from '../../config/start-error.js';
import { ServiceUnavailable } from '../../errors/app-error.js';
import { wordsOf } from '../../errors/database-errors.js';
import { BlobStorage } from '../../storage/blob-storage.js';

/** Bad sectors are side by side, and so are the files of media that follow one another: a few in a row are no exception. */
const MOST_IN_A_ROW = 100;

/** Tells blobs that cannot be read from a store that cannot be read at all. */
@Injectable()
export class ReadFailures {
  private inARow = 0;

  constructor(private readonly storage: BlobStorage) {}

  /**
   * Runs what reads a blob. If only this blob cannot be read, resolves to what `otherwise` makes of the cause.
   * @throws StartError if the store is away
   */
  async tolerate<T, U>(read: () => Promise<T>, otherwise: (cause: string) => U): Promise<T | U> {
    try {
      const result = await read();
      this.inARow = 0;
      return result;
    } catch (error) {
      if (!(error instanceof ServiceUnavailable)) throw error;
      const cause = wordsOf(error);
      this.inARow++;
      if (this.inARow > MOST_IN_A_ROW || (await this.isAway()))
        throw new StartError(`The store cannot be read (${cause}).`, { cause: error });
      return otherwise(cause);
    }
  }

  /** By a blob that is always there, since every command has compared it. */
  private async isAway(): Promise<boolean> {
    return (await this.storage.readDatabaseId().catch(() => undefined)) === undefined;
  }
}
