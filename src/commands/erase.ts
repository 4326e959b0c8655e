import { StartError } from '../config/start-error.js';
import { fail } from '../fail.js';
import { Erasure, isNothing, type Holdings } from '../media/upkeep/erasure.js';
import { commandLine } from './command-line.js';
import { withApp } from './with-app.js';

const USAGE = `Usage: npm run erase -- --user ID [--yes]

Shows what is stored for a user. With --yes, erases it.`;

/** Erases a user. Exits with code 1 if anything is left. */
export async function erase(args: string[]): Promise<void> {
  const options = { user: { type: 'string' }, yes: { type: 'boolean', default: false } } as const;
  const { user, yes } = commandLine({ args, options }, USAGE).values;
  if (!user) return fail(new StartError(USAGE));
  const isDone = await withApp(async (app) => {
    const erasure = app.get(Erasure);
    const before = await erasure.holdings(user);
    console.log(`User ${user} has ${summaryOf(before)}`);
    if (!yes) console.log('Nothing was changed. To erase all of it, add --yes');
    if (!yes) return true;
    const { left, kept } = await erasure.erase(user);
    for (const it of kept) console.log(it);
    const isAll = isNothing(left) && kept.length === 0;
    if (kept.length > 0)
      console.log(
        `${kept.length} media items or uploads could not be removed from the store. Run this again when it can`,
      );
    else if (!isAll) console.log(`Run this again. The following was added meanwhile: ${summaryOf(left)}`);
    if (isAll) console.log('Everything has been erased');
    return isAll;
  }).catch(fail);
  process.exitCode = isDone ? 0 : 1;
}

function summaryOf(holdings: Holdings): string {
  const { uploads, media, bytes, thumbnails, clicks, events } = holdings;
  const stored = `${media} media items with ${thumbnails} thumbnails (${bytes} bytes)`;
  return `${stored}, ${uploads} uploads, clicks on ${clicks} media items, ${events} events`;
}
