// @ts-check
import { authorized } from './account.js';

/**
 * Tells what happens to an upload, wherever its chunks come from, until that is over. `EventSource` can't send a token.
 * @param {string} id @param {(type: string, data: any) => void} tell @param {AbortSignal} [signal]
 */
export async function watch(id, tell, signal) {
  try {
    const response = await authorized(`media/upload/${id}/events`, signal ? { signal } : {});
    if (!response.ok || !response.body) return;
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const blocks = (text + value).split('\n\n');
      text = blocks.pop() ?? '';
      for (const block of blocks) tellBlock(block, tell);
    }
  } catch {
    // The connection ended; the page shows what it knows.
  }
}

/** @param {string} block @param {(type: string, data: any) => void} tell */
function tellBlock(block, tell) {
  const field = (/** @type {string} */ name) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1];
  const [type, data] = [field('event'), field('data')];
  if (type && data) tell(type, JSON.parse(data));
}
