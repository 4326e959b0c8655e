import { StartError } from './config/start-error.js';

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is taken: stop what listens there, or choose another port',
  EACCES: 'may not be opened by this user: choose a port from 1024 on',
  EADDRNOTAVAIL: 'is no address of this machine: put the host right',
};

/**
 * Waits for a server to listen.
 * @param settings names of those that say where
 * @throws StartError when that port of that host cannot be had
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
