// @ts-check
import { authorized } from './account.js';

/** Nothing follows these. After `complete`, an image may still get a thumbnail. */
const FINAL = ['thumbnail', 'rejected', 'cancelled', 'expired'];
const PAUSE_MS = 2000;

/** Aborted when the page is hidden: all tabs together have six connections to a server, unless it speaks HTTP/2. */
let visible = new AbortController();
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') visible = new AbortController();
  else visible.abort();
});

/**
 * Tells what happens to an upload, wherever its chunks come from, until that is over. `EventSource` can't send a token.
 * @param {string} id
 * @param {(type: string, data: any) => void} tell type of the event; `gone` if the upload ended while nobody watched
 * @param {AbortSignal} [signal]
 */
export async function watch(id, tell, signal = new AbortController().signal) {
  let last = { id: '', type: '' };

  /** Follows one stream. Returns whether nothing more can happen. */
  async function follow() {
    const before = last.type;
    const response = await authorized(`media/upload/${id}/events`, {
      headers: last.id ? { 'last-event-id': last.id } : {},
      signal: AbortSignal.any([signal, visible.signal]),
    });
    if (response.status === 404 || response.status === 410) tell('gone', {});
    if (!response.ok || !response.body) return response.status < 500 && response.status !== 429;
    for await (const event of eventsOf(response.body)) {
      last = event;
      tell(event.type, event.data);
    }
    // The server may just have stopped. After `complete`, a stream without news means that there will be none.
    return FINAL.includes(last.type) || (last.type === 'complete' && before === 'complete');
  }

  while (!signal.aborted) {
    if (document.visibilityState === 'hidden')
      await new Promise((resolve) => document.addEventListener('visibilitychange', resolve, { once: true }));
    try {
      if (await follow()) return;
    } catch {
      // The connection was cut, or the page is hidden.
    }
    // Not all clients at once: the server may just have started.
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS * (1 + Math.random())));
  }
}

/** @param {ReadableStream<any>} body */
async function* eventsOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (text + value).split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      const field = (/** @type {string} */ name) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1];
      const [id, type, data] = [field('id'), field('event'), field('data')];
      if (id && type && data) yield { id, type, data: JSON.parse(data) };
    }
  }
}
