import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Middleware } from './front.js';

/**
 * Requests of one connection that are worked on at the same time: one may wait for the database while the next is read.
 * Browsers and proxies send one at a time. With 16, one connection kept the event loop so busy that the chunks of others took
 * seven times as long; with 2, twice.
 */
const MAX_IN_FLIGHT = 2;

interface Waiting {
  readonly request: IncomingMessage;
  readonly start: () => void;
}

/** What one connection has asked for and not been answered. */
interface Pipeline {
  inFlight: number;
  readonly waiting: Waiting[];
  last: ServerResponse | undefined;
  /** Answers what came behind all requests and was none. */
  end?: () => void;
}

const pipelines = new WeakMap<Duplex, Pipeline>();

/**
 * Bounds what one connection may ask for at once. Requests beyond that wait, and the connection is read no further until answers
 * have left: without this, thousands of pipelined requests would take the database from everybody else.
 */
export const boundedPipelining: Middleware = (request, response, next) => {
  const { socket } = request;
  const pipeline = pipelineOf(socket);
  pipeline.last = response;
  const start = () => {
    pipeline.inFlight++;
    response.once('close', () => {
      pipeline.inFlight--;
      if (pipeline.last === response) pipeline.last = undefined;
      if (!socket.destroyed) goOn(pipeline);
      if (pipeline.waiting.length === 0 && socket.isPaused()) socket.resume();
    });
    next();
  };
  if (pipeline.waiting.length === 0 && mayStart(pipeline, request)) return start();
  // One read of the connection may hold many requests, so stopping to read is not enough.
  pipeline.waiting.push({ request, start });
  socket.pause();
};

/**
 * Calls `end` when all requests before it are answered, so that answers keep their order. A request that came in part
 * and will never be whole is not waited for. Only the first call for a connection counts.
 */
export function afterAnswers(socket: Duplex, end: () => void): void {
  const pipeline = pipelineOf(socket);
  if (pipeline.end) return;
  pipeline.end = end;
  goOn(pipeline);
}

function pipelineOf(socket: Duplex): Pipeline {
  const known = pipelines.get(socket);
  if (known) return known;
  const pipeline: Pipeline = { inFlight: 0, waiting: [], last: undefined };
  pipelines.set(socket, pipeline);
  return pipeline;
}

/** An answer to GET may be long, and is kept in memory until those before it have been read: one of them at a time. */
function mayStart({ inFlight }: Pipeline, { method }: IncomingMessage): boolean {
  return inFlight === 0 || (inFlight < MAX_IN_FLIGHT && method !== 'GET');
}

function goOn(pipeline: Pipeline): void {
  const { waiting, last, end } = pipeline;
  const cutOff = last && !last.req.complete && !last.headersSent ? 1 : 0;
  if (end && pipeline.inFlight + waiting.length <= cutOff) return end();
  for (let next = waiting[0]; next && mayStart(pipeline, next.request); next = waiting[0]) {
    waiting.shift();
    next.start();
  }
}
