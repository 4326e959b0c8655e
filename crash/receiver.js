// @ts-check
// A receiver of webhooks: `node receiver.js PORT FILE`. Writes each event to the file before it responds.
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';

const [, , port = '', file = ''] = process.argv;

createServer(async (request, response) => {
  const { id, type, data } = JSON.parse(await text(request));
  appendFileSync(file, `${JSON.stringify({ id, type, upload: data.upload_id })}\n`);
  response.writeHead(204).end();
}).listen(Number(port), '127.0.0.1');
