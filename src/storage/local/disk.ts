import { rm, statfs } from 'node:fs/promises';
import { ServiceUnavailable } from '../../errors/app-error.js';
import { hasCode } from '../../errors/has-code.js';
import { storing } from '../storage.errors.js';

/** Failures within a minute before the server reports that it is not ready. */
const TOLERATED_FAILURES = 5;

/** Runs file system calls, turns their errors into answers, and remembers the latest ones. */
export class Disk {
  private failures: readonly number[] = [];

  /** @throws ServiceUnavailable, StorageFull */
  async guard<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await storing(work);
    } catch (error) {
      // ENOENT is no failure of the disk: another request has removed the file.
      if (error instanceof ServiceUnavailable && !hasCode(error.cause, 'ENOENT'))
        this.failures = [...this.failures, Date.now()].slice(-TOLERATED_FAILURES);
      throw error;
    }
  }

  /** Like `guard`, for a new file: after a failure the file is removed, since it may be what fills the disk. */
  async create(path: string, work: (path: string) => Promise<void>): Promise<void> {
    await this.guard(async () => {
      try {
        await work(path);
      } catch (error) {
        await rm(path, { force: true }).catch(() => undefined);
        throw error;
      }
    });
  }

  get isFailing(): boolean {
    const minuteAgo = Date.now() - 60_000;
    return this.failures.filter((time) => time > minuteAgo).length >= TOLERATED_FAILURES;
  }

  /** Bytes of the file system at `path`; Infinity where it does not tell. */
  async space(path: string): Promise<{ free: number; total: number }> {
    const { blocks, bavail, bsize } = await this.guard(() => statfs(path));
    return blocks === 0
      ? { free: Infinity, total: Infinity }
      : { free: bavail * bsize, total: blocks * bsize };
  }
}
