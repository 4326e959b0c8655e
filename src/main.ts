import { ConfigError, loadConfig, type Config } from './config/config.js';
import { EmbeddedPostgres, EmbeddedPostgresError } from './database/embedded-postgres.js';

/** Starts everything, listens, and stops everything in the reverse order when asked to. */
async function main(): Promise<void> {
  const config = loadConfig();
  // Loading the app takes as long as making a new cluster: both at once, and the first start is under three seconds.
  const [postgres, { serve }] = await Promise.all([startPostgres(config), import('./serve.js')]);
  try {
    const stop = await serve(config, postgres?.connection ?? { url: config.database.url ?? '' });
    stopOnSignal(async () => {
      await stop();
      await postgres?.stop();
    });
  } catch (error) {
    await postgres?.stop();
    throw error;
  }
}

async function startPostgres({ database, dataDir }: Config): Promise<EmbeddedPostgres | undefined> {
  return database.url ? undefined : await EmbeddedPostgres.start({ dataDir });
}

function stopOnSignal(stop: () => Promise<void>): void {
  let stopping = false;
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.on(signal, () => {
      // The second Ctrl-C is from somebody who will not wait.
      if (stopping) process.exit(1);
      stopping = true;
      stop().then(() => process.exit(0), fail);
    });
  }
}

function fail(error: unknown): never {
  // A wrong setting or a missing system user is for a person to mend: no stack trace.
  const expected = error instanceof ConfigError || error instanceof EmbeddedPostgresError;
  console.error(expected ? error.message : error);
  process.exit(1);
}

main().catch(fail);
