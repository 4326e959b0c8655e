import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Middleware } from '../front.js';

/**
 * Concurrent requests per connection: one may wait for the database while the next is read. Browsers and proxies send
 * one at a time. With 16, one connection kept the event loop so busy that the chunks of others took seven times as
 * long; with 2, twice.
 */
const MAX_IN_FLIGHT = 2;

interface Waiting {
  readonly request: IncomingMessage;
  readonly start: () => void;
}

/** The unanswered requests of a connection. */
interface Pipeline {
  inFlight: number;
  readonly waiting: Waiting[];
  last: ServerResponse | undefined;
  /** Answers the bytes after the last request that are not a request themselves. */
  end?: () => void;
}

const pipelines = new WeakMap<Duplex, Pipeline>();

/**
 * Limits concurrent requests per connection. Further ones wait, and the connection is not read until responses have
 * been sent. Otherwise thousands of pipelined requests would block the database for everybody else.
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
  // One read may contain many requests, so pausing the socket is not enough.
  pipeline.waiting.push({ request, start });
  socket.pause();
};

/**
 * Calls `end` when all earlier requests have been answered, to keep responses in order. Does not wait for a request
 * that will never be complete. Only the first call for a connection counts.
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

/** Only one GET at a time: its response may be long, and stays in memory until earlier ones have been read. */
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
