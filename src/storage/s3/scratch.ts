import { randomBytes } from 'node:crypto';
import { mkdir, open, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { StartError } from '../../config/start-error.js';
import { FILE_MODE } from '../local/files.js';
import { storing } from '../storage.errors.js';

/** Local files without a name: whatever ends the process, the system removes them. */
export class Scratch {
  constructor(private readonly directory: string) {}

  async prepare(): Promise<void> {
    await mkdir(this.directory, { recursive: true }).catch((cause: unknown) => {
      throw new StartError(`DATA_DIR: ${this.directory} cannot be created (${(cause as Error).message}).`, {
        cause,
      });
    });
  }

  /** A new file, while `work` runs. @throws ServiceUnavailable, StorageFull */
  async use<T>(work: (file: FileHandle) => Promise<T>): Promise<T> {
    return await storing(async () => {
      const path = join(this.directory, randomBytes(16).toString('hex'));
      const file = await open(path, 'wx+', FILE_MODE);
      try {
        await unlink(path);
        return await work(file);
      } finally {
        await file.close();
      }
    });
  }
}
