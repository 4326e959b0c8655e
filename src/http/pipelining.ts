import type { Socket } from 'node:net';
import type { Middleware } from './front.js';

/** Requests of one connection that are worked on at the same time. Browsers send one at a time, proxies few. */
const MAX_IN_FLIGHT = 16;

interface Pipeline {
  inFlight: number;
  readonly waiting: (() => void)[];
}

const pipelines = new WeakMap<Socket, Pipeline>();

/**
 * Bounds what one connection may ask for at once. Requests beyond that wait, and the connection is read no further until answers
 * have left: without this, thousands of pipelined requests would take the database from everybody else.
 */
export const boundedPipelining: Middleware = ({ socket }, response, next) => {
  const pipeline = pipelines.get(socket) ?? { inFlight: 0, waiting: [] };
  pipelines.set(socket, pipeline);
  const start = () => {
    pipeline.inFlight++;
    response.once('close', () => {
      pipeline.inFlight--;
      const waiting = pipeline.waiting.shift();
      if (waiting && !socket.destroyed) waiting();
      else if (socket.isPaused()) socket.resume();
    });
    next();
  };
  if (pipeline.inFlight < MAX_IN_FLIGHT) return start();
  // One read of the connection may hold many requests, so stopping to read is not enough.
  pipeline.waiting.push(start);
  socket.pause();
};
