import { Backoff, pause } from '../src/backoff.js';

describe('Backoff', () => {
  it('doubles up to the maximum, half of it random, and ends', () => {
    const backoff = new Backoff({ limit: 5, firstDelayMs: 100, maxDelayMs: 500 });
    const delays = Array.from({ length: 6 }, () => backoff.next());
    [100, 200, 400, 500, 500].forEach((ceiling, i) => {
      expect(delays[i]).toBeGreaterThanOrEqual(ceiling / 2);
      expect(delays[i]).toBeLessThanOrEqual(ceiling);
    });
    expect(delays[5]).toBeUndefined();
  });

  it('begins anew after a success', () => {
    const backoff = new Backoff({ limit: 1, firstDelayMs: 100, maxDelayMs: 100 });
    backoff.next();
    backoff.reset();
    expect(backoff.next()).toBeLessThanOrEqual(100);
  });

  it('waits at least as long as the server asks', () => {
    const delay = new Backoff({ limit: 1, firstDelayMs: 100, maxDelayMs: 100 }).next(30_000);
    expect(delay).toBeGreaterThanOrEqual(30_050);
  });

  it('never waits longer than a minute, unless its own delays are longer', () => {
    const impatient = new Backoff({ limit: 1, firstDelayMs: 100, maxDelayMs: 100 });
    expect(impatient.next(3_600_000)).toBe(60_000);
    const delay = new Backoff({ limit: 1, firstDelayMs: 180_000, maxDelayMs: 180_000 }).next(3_600_000);
    expect(delay).toBeGreaterThanOrEqual(90_000);
  });
});

describe('pause', () => {
  it('ends at once when it is stopped', async () => {
    const stop = new AbortController();
    const paused = pause(60_000, stop.signal);
    stop.abort(new Error('stopped'));
    await expect(paused).rejects.toThrow('stopped');
  });

  it('ends when the network is back', async () => {
    const page = new EventTarget();
    const { addEventListener, removeEventListener } = page;
    Object.assign(globalThis, {
      addEventListener: addEventListener.bind(page),
      removeEventListener: removeEventListener.bind(page),
    });
    const paused = pause(60_000, new AbortController().signal);
    page.dispatchEvent(new Event('online'));
    await paused;
    Reflect.deleteProperty(globalThis, 'addEventListener');
    Reflect.deleteProperty(globalThis, 'removeEventListener');
  });

  it('is not cut short by a time that no timer can hold', async () => {
    const stop = new AbortController();
    let over = false;
    const paused = pause(2 ** 40, stop.signal).finally(() => (over = true));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(over).toBe(false);
    stop.abort();
    await expect(paused).rejects.toMatchObject({ name: 'AbortError' });
  });
});
