// @ts-check
// A backend that is told of events: `node receiver.js PORT FILE`. What it has taken is a line in the file before it says so.
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';

const [, , port = '', file = ''] = process.argv;

createServer(async (request, response) => {
  const { id, type, data } = JSON.parse(await text(request));
  appendFileSync(file, `${JSON.stringify({ id, type, upload: data.upload_id })}\n`);
  response.writeHead(204).end();
}).listen(Number(port), '127.0.0.1');
