import { Injectable } from '@nestjs/common';
import { StartError } from '../../config/start-error.js';
import { ServiceUnavailable } from '../../errors/app-error.js';
import { wordsOf } from '../../errors/database-errors.js';
import { BlobStorage } from '../../storage/blob-storage.js';

/** Bad sectors are side by side, and so are files of media that follow one another: some in a row are no surprise. */
const MOST_IN_A_ROW = 100;

/** Tells single blobs that cannot be read or removed from a store that is not available at all. */
@Injectable()
export class StoreFailures {
  private inARow = 0;

  constructor(private readonly storage: BlobStorage) {}

  /**
   * Runs what needs a blob. If only this one fails, resolves to what `otherwise` makes of the cause.
   * @throws StartError if the store is away
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
      if (this.inARow > MOST_IN_A_ROW || (await this.isAway()))
        throw new StartError(`The store is not available (${cause}).`, { cause: error });
      return otherwise(cause);
    }
  }

  /** By a blob that is always there, since every command has compared it. */
  private async isAway(): Promise<boolean> {
    return (await this.storage.readDatabaseId().catch(() => undefined)) === undefined;
  }
}

function causeOf(error: ServiceUnavailable): string {
  // The name of what S3 answers is its code.
  const { name } = (error.cause ?? new Error()) as Error;
  return name === 'Error' ? wordsOf(error) : `${name}: ${wordsOf(error)}`;
}
