import { setTimeout as sleep } from 'node:timers/promises';
import { StartError } from '../config/start-error.js';
import { fromDatabase, wordsOf } from '../errors/database-errors.js';
import { migrate, refuseOtherTables, type Connection } from './data-source.js';
import { examine, type Facts } from './examine.js';

interface PrepareOptions {
  /** Whether to accept a Postgres that may lose what it has committed. */
  readonly unsafe: boolean;
  /** Called with warnings for the operator. */
  readonly warn: (words: string) => void;
  readonly patienceMs?: number;
}

const PATIENCE_MS = 60_000;
const POLL_MS = 250;

const ADVICE: readonly (readonly [code: RegExp, advice: string])[] = [
  [/^28/, 'Check the user, the password and pg_hba.conf'],
  [/^3D000$/, 'Create it: createdb --encoding=UTF8'],
  [/^42501$/, 'Let its user connect and create tables: GRANT CREATE ON SCHEMA, and ON DATABASE for the jobs'],
  [/^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/, 'Renew its certificate, or correct the clock of this machine'],
  [/^ERR_TLS_CERT_ALTNAME_INVALID$/, 'Use a host name that its certificate has'],
  [
    /^(SELF_SIGNED_CERT_|DEPTH_ZERO_SELF_SIGNED_|UNABLE_TO_|CERT_)/,
    'Name the CA of its certificate: ?sslmode=verify-full&sslrootcert=/path/to/ca.pem',
  ],
  [
    /^ERR_INVALID_URL$/,
    'It must be postgres://user:password@host:5432/database, with special characters as %XX',
  ],
];

/**
 * Waits for a Postgres that is starting, refuses one that cannot keep our promise, and runs migrations.
 * Returns the connection with the schema that has the tables.
 * @throws StartError
 */
export async function prepareDatabase(connection: Connection, options: PrepareOptions): Promise<Connection> {
  return await withTables(connection, options, migrate);
}

/** The same for commands, which leave the migrations to the server. @throws StartError if any is missing or unknown */
export async function findDatabase(connection: Connection, options: PrepareOptions): Promise<Connection> {
  return await withTables(connection, options, refuseOtherTables);
}

async function withTables(
  connection: Connection,
  options: PrepareOptions,
  provide: (place: Connection) => Promise<void>,
): Promise<Connection> {
  try {
    const facts = await untilWritable(connection, options);
    refuseUnfit(facts, options);
    const place = { ...connection, schema: facts.schema };
    await provide(place);
    return place;
  } catch (error) {
    throw explained(error);
  }
}

async function untilWritable(
  connection: Connection,
  { warn, patienceMs = PATIENCE_MS }: PrepareOptions,
): Promise<Facts> {
  const deadline = Date.now() + patienceMs;
  const limit = `${Math.ceil(patienceMs / 1000)} s`;
  for (let tries = 0; ; tries++) {
    const found = await examine(connection);
    if ('encoding' in found) return found;
    const { obstacle } = found;
    if (Date.now() >= deadline) {
      const advice = 'Start it, or correct DATABASE_URL.';
      throw new StartError(
        `DATABASE_URL: no Postgres accepted writes within ${limit}: ${obstacle}. ${advice}`,
      );
    }
    if (tries === 0) warn(`Waiting up to ${limit} for a Postgres that accepts writes: ${obstacle}`);
    await sleep(POLL_MS);
  }
}

function refuseUnfit({ encoding, unsafe }: Facts, options: PrepareOptions): void {
  if (encoding !== 'UTF8') {
    throw new StartError(
      `DATABASE_URL: the encoding of the database is ${encoding}, which cannot store every file name. ` +
        'Create one in UTF8: createdb --encoding=UTF8 --template=template0.',
    );
  }
  if (unsafe.length === 0) return;
  const danger = `Postgres has ${unsafe.join(', ')}, so a power cut WILL LOSE acknowledged uploads`;
  if (options.unsafe) return options.warn(danger);
  const advice = 'Correct postgresql.conf, or set UNSAFE_DATABASE=true if they may be lost.';
  throw new StartError(`DATABASE_URL: ${danger}. ${advice}`);
}

/** Turns errors of Postgres, its URL or the network into messages for operators. Bugs stay as they are. */
function explained(error: unknown): unknown {
  const { severity, code } = error as { severity?: string; code?: string };
  const isOurs = severity === undefined && code === undefined && fromDatabase(error) === undefined;
  if (error instanceof StartError || isOurs) return error;
  const [, advice] = ADVICE.find(([pattern]) => pattern.test(code ?? '')) ?? [];
  return new StartError(`DATABASE_URL: ${wordsOf(error)}.${advice ? ` ${advice}.` : ''}`, { cause: error });
}
