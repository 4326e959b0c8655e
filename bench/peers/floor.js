// @ts-check
// The floor: writes each body at its offset, syncs it and answers. No server that syncs can do less.
import { open, rm } from 'node:fs/promises';
import http from 'node:http';
import { join } from 'node:path';

const directory = process.argv[2] ?? '';
const server = http.createServer(async (request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? '', 'http://floor');
  if (request.method === 'DELETE') {
    await rm(join(directory, pathname.slice(1)));
    return response.writeHead(204).end();
  }
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  const file = await open(
    join(directory, pathname.slice(1)),
    searchParams.get('offset') === '0' ? 'w' : 'r+',
  );
  await file.write(Buffer.concat(pieces), 0, undefined, Number(searchParams.get('offset')));
  await file.datasync();
  await file.close();
  response.writeHead(201).end();
});
server.listen(0, '127.0.0.1', () =>
  console.log(`http://127.0.0.1:${/** @type {any} */ (server.address()).port}`),
);
process.on('SIGTERM', () => process.exit(0));
