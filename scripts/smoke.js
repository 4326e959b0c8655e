// `npm run smoke`: starts the built server, uploads a file with a kill -9 in between, downloads it, stops the server
// and looks for leftovers. Exits with code 1 if anything is wrong. Runs on every supported version of Node.js.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startServer } from './start-server.js';

const CHUNK_BYTES = 204_800;
const dataDir = await mkdtemp(join(tmpdir(), 'mediadock-smoke-'));

async function start() {
  const startedAt = performance.now();
  return { ...(await startServer(dataDir)), startedAt };
}

async function call({ url, token }, method, path, headers = {}, body = undefined) {
  return await fetch(new URL(path, url), {
    method,
    body,
    headers: { authorization: `Bearer ${token}`, ...headers },
  });
}

async function sendChunk(running, file, offset, uploadId) {
  const bytes = file.subarray(offset, offset + CHUNK_BYTES);
  const form = new FormData();
  if (uploadId) form.append('upload_id', uploadId);
  form.append('image', new Blob([bytes]), 'smoke.pdf');
  const range = `bytes ${offset}-${offset + bytes.length - 1}/${file.length}`;
  const response = await call(
    running,
    'POST',
    '/api/v2/media/upload/chunk/',
    { 'content-range': range },
    form,
  );
  assert.equal(response.status, 201, await response.clone().text());
  return await response.json();
}

async function stop({ server }, signal) {
  const postmaster = Number(
    (await readFile(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8')).split('\n')[0],
  );
  server.kill(signal);
  const [code] = await once(server, 'exit');
  const deadline = Date.now() + 15_000;
  while (isRunning(postmaster) && Date.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 20));
  assert.ok(!isRunning(postmaster), `Postgres ${postmaster} is left behind after ${signal}`);
  return code;
}

function isRunning(pid) {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

const file = Buffer.concat([Buffer.from('%PDF-1.7\n'), randomBytes(1_000_000)]);
const md5 = createHash('md5').update(file).digest('hex');
try {
  let running = await start();
  let at = await sendChunk(running, file, 0);
  console.log(`fresh start to first 201: ${Math.round(performance.now() - running.startedAt)} ms`);
  await stop(running, 'SIGKILL');

  running = await start();
  at = await sendChunk(running, file, Number(at.offset), at.upload_id);
  console.log(`start after kill -9 to next 201: ${Math.round(performance.now() - running.startedAt)} ms`);
  while (Number(at.offset) < file.length)
    at = await sendChunk(running, file, Number(at.offset), at.upload_id);

  const body = JSON.stringify({ upload_id: at.upload_id, md5 });
  const completed = await call(
    running,
    'POST',
    '/api/v2/media/upload/complete/',
    { 'content-type': 'application/json' },
    body,
  );
  assert.equal(completed.status, 201, await completed.clone().text());
  const media = await completed.json();
  assert.ok(
    Buffer.from(await (await fetch(media.url)).arrayBuffer()).equals(file),
    'the file came back different',
  );
  for (const path of ['/health/ready', '/api/docs', '/api/openapi.json']) {
    assert.equal((await call(running, 'GET', path)).status, 200, path);
  }
  assert.equal(await stop(running, 'SIGTERM'), 0, 'the exit code after SIGTERM');
  assert.ok(!existsSync(join(dataDir, 'postgres', 'postmaster.pid')), 'Postgres was not stopped cleanly');
  console.log(`smoke test passed on Node ${process.version}`);
} finally {
  await rm(dataDir, { recursive: true, force: true });
}
