import { homedir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { serverUrl } from './server-url.js';
import type { UploadOptions } from './upload-options.js';

export const USAGE = `Usage: mediadock-upload FILE... [options]

Uploads files, prints the URL of each, and resumes unfinished uploads.

  --url URL        the server (or MEDIADOCK_URL)
  --token TOKEN    bearer token (or MEDIADOCK_TOKEN, which other users of this machine cannot see)
  --parallel N     files at once, default 3
  --type TYPE      image, eimage or doc; default: detected from the content
  --json           print each media item as a line of JSON instead of its URL
  --anywhere       also resume uploads that another device started
  --state FILE     where unfinished uploads are remembered,
                   default $XDG_STATE_HOME/mediadock/uploads.json
  --quiet          no progress
  --help, --version

Exit codes: 0 all files are uploaded, 1 some are not, 2 wrong usage, 130 interrupted.
`;

export interface CliArguments {
  readonly files: readonly string[];
  readonly url: string;
  readonly token: string;
  readonly parallel: number;
  readonly type: UploadOptions['type'];
  readonly json: boolean;
  readonly resume: 'here' | 'anywhere';
  readonly state: string;
  readonly quiet: boolean;
}

/** An invalid command line. The message is for the user. */
export class UsageError extends Error {}

type Environment = Readonly<Record<string, string | undefined>>;

export function parseArguments(args: readonly string[], env: Environment): CliArguments | 'help' | 'version' {
  const { values, positionals: files } = parse(args);
  if (values.help) return 'help';
  if (values.version) return 'version';
  if (files.length === 0) throw new UsageError('No files given');
  return {
    files,
    url: urlOf(values.url ?? env['MEDIADOCK_URL']),
    token: required(values.token ?? env['MEDIADOCK_TOKEN'], '--token or MEDIADOCK_TOKEN is missing'),
    parallel: parallelOf(values.parallel),
    type: typeOf(values.type),
    json: values.json,
    resume: values.anywhere ? 'anywhere' : 'here',
    state: values.state ?? join(stateHome(env), 'mediadock', 'uploads.json'),
    quiet: values.quiet,
  };
}

function parse(args: readonly string[]) {
  const flag = { type: 'boolean', default: false } as const;
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        url: { type: 'string' },
        token: { type: 'string' },
        parallel: { type: 'string', default: '3' },
        type: { type: 'string' },
        state: { type: 'string' },
        json: flag,
        anywhere: flag,
        quiet: flag,
        help: flag,
        version: flag,
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error });
  }
}

function required(value: string | undefined, message: string): string {
  if (!value) throw new UsageError(message);
  return value;
}

function urlOf(value: string | undefined): string {
  const url = required(value, '--url or MEDIADOCK_URL is missing');
  try {
    return serverUrl(url);
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error });
  }
}

function parallelOf(value: string): number {
  if (!/^[1-9]\d?$/.test(value)) throw new UsageError('--parallel must be a number from 1 to 99');
  return Number(value);
}

function typeOf(value: string | undefined): CliArguments['type'] {
  if (value === undefined || value === 'image' || value === 'eimage' || value === 'doc') return value;
  throw new UsageError('--type must be image, eimage or doc');
}

// XDG Base Directory Specification: an empty or relative path counts as unset.
function stateHome({ XDG_STATE_HOME: home }: Environment): string {
  return home?.startsWith('/') ? home : join(homedir(), '.local', 'state');
}
