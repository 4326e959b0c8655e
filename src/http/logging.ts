import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { LoggerService } from '@nestjs/common';
import { pino, type Logger } from 'pino';
import type { Middleware } from './front.js';
import { serializeError } from './serialize-error.js';

/** Output that could not be written yet. Further lines are lost. */
const MAX_UNWRITTEN_BYTES = 1_000_000;

export function createLogger(level: string): Logger {
  const output = pino.destination({ dest: 1, sync: true, maxLength: MAX_UNWRITTEN_BYTES });
  // A full disk must not end the server, which can still do everything that needs no space.
  output.on('error', () => undefined);
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: serializeError },
    },
    output,
  );
}

declare module 'node:http' {
  interface IncomingMessage {
    /** Identifies the request in the log and in error responses. */
    id: string;
    /** The route and the user, once they are known. */
    route?: { readonly path: string };
    user?: { readonly id: string };
  }
}

/**
 * Logs one line per request, with the pattern of the route instead of the URL, which may contain an upload id. Headers
 * are not logged at all, because they contain the token.
 */
export function requestLogging(logger: Logger): Middleware {
  return (request, response, next) => {
    const startedAt = performance.now();
    request.id = requestId(request.headers['x-request-id']);
    response.setHeader('X-Request-Id', request.id);
    response.once('close', () => {
      const level = levelOf(request, response);
      if (logger.isLevelEnabled(level))
        logger[level](summary(request, response, performance.now() - startedAt), 'request');
    });
    next();
  };
}

/** Probes come every few seconds, and matter only when they fail. */
function levelOf({ route }: IncomingMessage, { statusCode, writableFinished }: ServerResponse) {
  if (statusCode >= 500) return 'error';
  const isProbe = route?.path.startsWith('/health/');
  return isProbe && statusCode < 400 && writableFinished ? 'debug' : 'info';
}

function summary(request: IncomingMessage, response: ServerResponse, milliseconds: number) {
  return {
    request_id: request.id,
    method: request.method,
    route: request.route?.path ?? null,
    status: response.writableFinished ? response.statusCode : null,
    ms: Math.round(milliseconds * 100) / 100,
    user: request.user?.id,
    address: request.address,
  };
}

/** A harmless id from the caller is kept, so that traces can span services. */
function requestId(given: string | string[] | undefined): string {
  return typeof given === 'string' && /^[\w.-]{1,64}$/.test(given) ? given : randomUUID();
}

/** These contexts report each module and route at the start, which only helps developers. */
const STARTING = new Set<unknown>([
  'NestFactory',
  'InstanceLoader',
  'RoutesResolver',
  'RouterExplorer',
  'NestApplication',
]);

/** Nest's own messages, in the same JSON. */
export class NestLogger implements LoggerService {
  constructor(private readonly logger: Logger) {}

  log(message: unknown, ...rest: unknown[]): void {
    this.write(STARTING.has(rest.at(-1)) ? 'debug' : 'info', message, rest);
  }

  warn(message: unknown, ...rest: unknown[]): void {
    this.write('warn', message, rest);
  }

  error(message: unknown, ...rest: unknown[]): void {
    this.write('error', message, rest);
  }

  debug(message: unknown, ...rest: unknown[]): void {
    this.write('debug', message, rest);
  }

  fatal(message: unknown, ...rest: unknown[]): void {
    this.write('fatal', message, rest);
  }

  /** Nest appends the context (the class that logs) as the last value; `({…}, 'message')` is the order of pino. */
  private write(
    level: 'info' | 'warn' | 'error' | 'debug' | 'fatal',
    message: unknown,
    rest: readonly unknown[],
  ): void {
    const context = rest.at(-1);
    if (typeof message !== 'object' || message === null)
      return this.logger[level]({ context }, String(message));
    const words = rest.length > 1 && typeof rest[0] === 'string' ? rest[0] : undefined;
    const object = message instanceof Error ? { err: message } : message;
    this.logger[level]({ context, ...object }, words);
  }
}
