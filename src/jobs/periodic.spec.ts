import { setImmediate as turn } from 'node:timers/promises';
import { jest } from '@jest/globals';
import { Periodic } from './periodic.js';

const errors: unknown[] = [];
const ends: ((error?: Error) => void)[] = [];
const work = () =>
  new Promise<void>((resolve, reject) => ends.push((error) => (error ? reject(error) : resolve())));
let periodic: Periodic;

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['setImmediate'] });
  errors.length = 0;
  ends.length = 0;
  periodic = new Periodic((error) => errors.push(error));
});

afterEach(() => jest.useRealTimers());

it('runs at intervals, and skips those that begin while another run lasts', async () => {
  periodic.start(1000, work);
  jest.advanceTimersByTime(999);
  expect(ends.length).toBe(0);
  jest.advanceTimersByTime(3001);
  periodic.run(work);
  expect(ends.length).toBe(1);
  ends[0]?.();
  await turn();
  jest.advanceTimersByTime(1000);
  expect(ends.length).toBe(2);
});

it('goes on after a failure', async () => {
  periodic.start(1000, work);
  jest.advanceTimersByTime(1000);
  ends[0]?.(new Error('no'));
  await turn();
  jest.advanceTimersByTime(1000);
  expect([ends.length, errors]).toEqual([2, [new Error('no')]]);
});

it('is stopped when the last run has ended', async () => {
  periodic.start(1000, work);
  jest.advanceTimersByTime(1000);
  let isStopped = false;
  const stopping = periodic.stop().then(() => (isStopped = true));
  await turn();
  expect([periodic.isStarted, isStopped]).toEqual([false, false]);
  ends[0]?.();
  await stopping;
  jest.advanceTimersByTime(5000);
  expect(ends.length).toBe(1);
});
