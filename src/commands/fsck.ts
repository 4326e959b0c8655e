import type { INestApplicationContext } from '@nestjs/common';
import { AppError } from '../errors/app-error.js';
import { wordsOf } from '../errors/database-errors.js';
import { fail } from '../fail.js';
import type { Finding } from '../media/upkeep/finding.js';
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
  for await (const finding of app.get(Fsck).check()) {
    const { fault, subject, detail, remedy } = finding;
    found++;
    const outcome = isFixing ? await repair(finding) : 'to repair';
    console.log(
      `${fault}: ${subject}: ${detail}; ${remedy ? `${outcome}: ${remedy}` : '--fix leaves it alone'}`,
    );
  }
  return found;
}

/** What cannot be repaired must not keep the rest from being repaired. */
async function repair({ fix }: Finding): Promise<string> {
  try {
    await fix();
    return 'done';
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return `failed (${wordsOf(error)})`;
  }
}
