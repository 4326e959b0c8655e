import { constants } from 'node:fs';
import { access, mkdir } from 'node:fs/promises';
import { StartError } from '../../config/start-error.js';

/** Makes directories where there are none. @throws StartError if they cannot be written to */
export async function makeWritable(directories: readonly string[]): Promise<void> {
  for (const directory of directories) {
    try {
      await mkdir(directory, { recursive: true });
      await access(directory, constants.R_OK | constants.W_OK | constants.X_OK);
    } catch (cause) {
      const { message } = cause as Error;
      throw new StartError(
        `DATA_DIR: ${directory} cannot be written to (${message}). Make it writable for the user that runs Mediadock, ` +
          'or choose another one.',
        { cause },
      );
    }
  }
}
