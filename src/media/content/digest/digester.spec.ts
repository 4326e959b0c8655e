import { open } from 'node:fs/promises';
import { Digester } from './digester.js';

it('a worker that cannot start ends the digests that wait for it, and no more than those', async () => {
  const digester = new Digester();
  const file = await open(new URL(import.meta.url));
  const waiting = digester.digest(file, 10);
  digester['workers'].emit('error', new Error('spawn EAGAIN'));
  await expect(waiting).rejects.toMatchObject({ status: 503, cause: { cause: { message: 'spawn EAGAIN' } } });
  expect(await digester.digest(file, 10)).toMatchObject({ size: 10, charset: 'utf-8' });
  await file.close();
  await digester.onApplicationShutdown();
});
