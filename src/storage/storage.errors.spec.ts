import { constants } from 'node:os';
import { StorageFull, storing } from './storage.errors.js';
import { ServiceUnavailable } from '../errors/app-error.js';

function systemError(name: keyof typeof constants.errno, code: string): Error {
  return Object.assign(new Error(name), { errno: -constants.errno[name], code, syscall: 'write' });
}

describe('storing', () => {
  it.each([
    ['ENOSPC', 'ENOSPC', StorageFull],
    // As Node reports it: the code has no name of its own.
    ['EDQUOT', `Unknown system error -${constants.errno.EDQUOT}`, StorageFull],
    ['EIO', 'EIO', ServiceUnavailable],
    ['EMFILE', 'EMFILE', ServiceUnavailable],
  ] as const)('answers %s in its own way, and keeps the cause', async (name, code, expected) => {
    const cause = systemError(name, code);
    const error = await storing(() => Promise.reject(cause)).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(expected);
    expect(error).toMatchObject({ cause });
  });

  it('lets through what is no system error', async () => {
    await expect(storing(() => Promise.reject(new RangeError('ours')))).rejects.toThrow('ours');
  });
});
