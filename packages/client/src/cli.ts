#!/usr/bin/env node
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { parseArguments, USAGE, UsageError, type CliArguments } from './cli-arguments.js';
import { display } from './cli-display.js';
import { unusedProxy } from './unused-proxy.js';
import { JsonFileStore, uploadAll, type Media, type SessionStore, type UploadQueue } from './node.js';

const SOME_FAILED = 1;
const WRONG_USAGE = 2;
const INTERRUPTED = 130;

process.exitCode = await main().catch((error: unknown) => {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`mediadock-upload: ${error.message}\nTry mediadock-upload --help\n`);
  return WRONG_USAGE;
});

async function main(): Promise<number> {
  const args = parseArguments(process.argv.slice(2), process.env);
  if (args === 'help') return print(USAGE);
  if (args === 'version') return print(`${await version()}\n`);
  return await uploadFiles(args);
}

async function uploadFiles(args: CliArguments): Promise<number> {
  const { files, url, token, type, parallel, resume, state, quiet } = args;
  const notice = unusedProxy(url, process);
  if (notice !== undefined) process.stderr.write(`mediadock-upload: ${notice}\n`);
  const queue = uploadAll(files, {
    url,
    token,
    resume,
    concurrency: parallel,
    store: telling(new JsonFileStore(state)),
    ...(type && { type }),
  });
  const rows = queue.uploads.map((upload, i) => ({ name: basename(files[i] ?? ''), upload }));
  const endDisplay = quiet ? () => undefined : display(process.stderr, rows);
  let interrupted = false;
  const interrupt = () => {
    interrupted = true;
    void queue.abort();
  };
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  const results = await queue.settled();
  endDisplay();
  if (interrupted) process.stderr.write('Interrupted. Run the same command again to resume.\n');
  const failed = report(args, queue, results);
  if (interrupted) return INTERRUPTED;
  return failed > 0 ? SOME_FAILED : 0;
}

/** If the store fails, uploads continue, but people should know that they cannot be resumed. */
function telling(store: JsonFileStore): SessionStore {
  let told = false;
  const tell = (error: Error) => {
    if (!told)
      process.stderr.write(`mediadock-upload: Unfinished uploads are not remembered: ${error.message}\n`);
    told = true;
    return undefined;
  };
  return {
    get: async (key) => await store.get(key).catch(tell),
    set: async (key, session) => await store.set(key, session).catch(tell),
    delete: async (key) => await store.delete(key).catch(tell),
  };
}

/** @returns the number of failed uploads */
function report(
  { files, json }: CliArguments,
  { uploads }: UploadQueue,
  results: readonly PromiseSettledResult<Media>[],
): number {
  results.forEach((result, i) => {
    if (result.status === 'fulfilled')
      print(`${json ? JSON.stringify(result.value) : urlOf(result.value)}\n`);
    else if (uploads[i]?.state === 'failed') {
      const { message, code } = result.reason as { message: string; code: string };
      process.stderr.write(`${files[i]}: ${message} (${code})\n`);
    }
  });
  return results.filter(({ status }) => status === 'rejected').length;
}

function urlOf({ url, image }: Media): string {
  return url ?? image ?? '';
}

function print(text: string): 0 {
  process.stdout.write(text);
  return 0;
}

async function version(): Promise<string> {
  const text = await readFile(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
