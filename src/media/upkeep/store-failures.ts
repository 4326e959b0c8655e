import { Injectable } from '@nestjs/common';
import { StartError } from '../../config/start-error.js';
import { ServiceUnavailable } from '../../errors/app-error.js';
import { wordsOf } from '../../errors/database-errors.js';
import { BlobStorage } from '../../storage/blob-storage.js';

/** Files that were written one after another may share a bad patch of the disk, so some failures in a row are normal. */
const MAX_IN_A_ROW = 100;

/** Tells single blobs that cannot be read or removed from a store that is not available at all. */
@Injectable()
export class StoreFailures {
  private inARow = 0;

  constructor(private readonly storage: BlobStorage) {}

  /**
   * Runs work on one blob. If only this blob fails, returns `otherwise(cause)`.
   * @throws StartError if the store is not available
   */
  async tolerate<T, U>(work: () => Promise<T>, otherwise: (cause: string) => U): Promise<T | U> {
    try {
      const result = await work();
      this.inARow = 0;
      return result;
    } catch (error) {
      if (!(error instanceof ServiceUnavailable)) throw error;
      const cause = causeOf(error);
      this.inARow++;
      if (this.inARow > MAX_IN_A_ROW || (await this.isAway()))
        throw new StartError(`The store is not available (${cause}).`, { cause: error });
      return otherwise(cause);
    }
  }

  /** Reads a blob that is always there: every command has read it at its start. */
  private async isAway(): Promise<boolean> {
    return (await this.storage.readDatabaseId().catch(() => undefined)) === undefined;
  }
}

function causeOf(error: ServiceUnavailable): string {
  // Errors of S3 are named by their code.
  const { name } = (error.cause ?? new Error()) as Error;
  return name === 'Error' ? wordsOf(error) : `${name}: ${wordsOf(error)}`;
}
