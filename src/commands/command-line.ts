import { parseArgs, type ParseArgsConfig } from 'node:util';
import { StartError } from '../config/start-error.js';
import { fail } from '../fail.js';

/** Reads the arguments of a command. Ends the process with its usage if they are wrong. */
export function commandLine<T extends ParseArgsConfig>(
  config: T,
  usage: string,
): ReturnType<typeof parseArgs<T>> {
  try {
    return parseArgs(config);
  } catch (error) {
    return fail(new StartError(`${(error as Error).message}\n\n${usage}`));
  }
}
