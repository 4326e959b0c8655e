import type { INestApplicationContext } from '@nestjs/common';
import { fail } from '../fail.js';
import { Fsck } from '../media/upkeep/fsck.js';
import { commandLine } from './command-line.js';
import { withApp } from './with-app.js';

const USAGE = `Usage: npm run fsck -- [--fix]

Compares the database with the files. With --fix, repairs what it finds.`;

/** Compares rows with bytes; `--fix` repairs. Exits with code 1 if anything is wrong, with --fix if anything was. */
export async function fsck(args: string[]): Promise<void> {
  const options = { fix: { type: 'boolean', default: false } } as const;
  const { values } = commandLine({ args, options }, USAGE);
  const found = await withApp((app) => check(app, values.fix)).catch(fail);
  console.log(found === 0 ? 'clean: every row has its bytes, every file its row' : `${found} found`);
  process.exitCode = found === 0 ? 0 : 1;
}

async function check(app: INestApplicationContext, isFixing: boolean): Promise<number> {
  let found = 0;
  for await (const { fault, subject, detail, remedy, fix } of app.get(Fsck).check()) {
    found++;
    console.log(`${fault}: ${subject}: ${detail}; ${isFixing ? 'done' : 'to repair'}: ${remedy}`);
    if (isFixing) await fix();
  }
  return found;
}
