import { StartError } from './config/start-error.js';

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is in use: stop what listens there, or choose another port',
  EACCES: 'is not allowed for this user: choose a port from 1024 on',
  EADDRNOTAVAIL: 'is not an address of this machine: correct the host',
};

/**
 * Waits for a server to listen.
 * @param settings names of those that say where
 * @throws StartError if that host and port cannot be used
 */
export async function listening<T>(started: Promise<T>, settings: string, place: string): Promise<T> {
  try {
    return await started;
  } catch (cause) {
    const { code = '', message, syscall } = cause as NodeJS.ErrnoException;
    if (syscall === undefined) throw cause;
    const reason = REASONS[code] ?? `cannot be listened on: ${message}`;
    throw new StartError(`${settings}: ${place} ${reason}.`, { cause });
  }
}
