// @ts-check

/** Where the page is, so is the API: below a path, too. */
export const HERE = new URL('.', document.baseURI);
export const API = new URL('api/v2/', HERE);

/** @param {string} id @returns {any} */
export function element(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`The page has no element ${id}`);
  return found;
}

/** A row of a list, and its parts by class name. @param {string} template */
export function rowOf(template) {
  const row = /** @type {HTMLElement} */ (element(template).content.firstElementChild.cloneNode(true));
  const part = (/** @type {string} */ selector) => /** @type {any} */ (row.querySelector(selector));
  return { row, part };
}

/** Buttons look alike in every row; read aloud they say which. @param {HTMLElement} row @param {string} name */
export function nameButtons(row, name) {
  for (const button of row.querySelectorAll('button'))
    button.setAttribute('aria-label', `${button.textContent} ${name}`);
}

/** Removes a row; who was on one of its buttons is then on the next row. @param {HTMLElement} row @param {HTMLElement} otherwise */
export function removeRow(row, otherwise) {
  const hadFocus = row.contains(document.activeElement);
  const next = row.nextElementSibling ?? row.previousElementSibling;
  row.remove();
  if (!hadFocus) return;
  const target = next?.querySelector('button:not([hidden])') ?? otherwise;
  /** @type {HTMLElement} */ (target).focus();
}

const QUIET_MS = 5000;
let spokenAt = 0;

/** For screen readers: at most every few seconds, unless it matters. @param {string} text */
export function announce(text, matters = false) {
  const now = performance.now();
  if (!matters && now - spokenAt < QUIET_MS) return;
  spokenAt = now;
  element('status').textContent = text;
}

/** What went wrong, for people; undefined when nothing did. @param {Promise<Response>} sent @returns {Promise<{ answer?: any, error?: string, status?: number }>} */
export async function outcome(sent) {
  try {
    const response = await sent;
    const answer = await response.json().catch(() => undefined);
    if (response.ok) return { answer };
    return { error: wordsFor(response.status, answer), status: response.status };
  } catch {
    return { error: navigator.onLine ? 'The server can’t be reached.' : 'You are offline.' };
  }
}

/** @param {number} status @param {{ detail?: string } | undefined} problem */
function wordsFor(status, problem) {
  if (status === 401) return 'The token was refused. Paste another one.';
  return problem?.detail ?? `The server answered ${status}.`;
}
