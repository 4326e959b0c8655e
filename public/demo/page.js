// @ts-check

/** The page may be below a path, and so is the API. */
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

/** Tells screen readers which file the buttons of a row belong to. @param {HTMLElement} row @param {string} name */
export function nameButtons(row, name) {
  for (const button of row.querySelectorAll('button'))
    button.setAttribute('aria-label', `${button.textContent} ${name}`);
}

/**
 * Removes a row. If it had the focus, the next row gets it, or else `otherwise`.
 * @param {HTMLElement} row @param {HTMLElement} otherwise
 */
export function removeRow(row, otherwise) {
  const hadFocus = row.contains(document.activeElement);
  const next = row.nextElementSibling ?? row.previousElementSibling;
  row.remove();
  if (!hadFocus) return;
  const target = next?.querySelector('button:not([hidden])') ?? otherwise;
  /** @type {HTMLElement} */ (target).focus();
}

/**
 * Gives the focus to `otherwise` if its owner, noted before a change, is now hidden.
 * @param {Element | null} owner @param {HTMLElement} otherwise
 */
export function rescueFocus(owner, otherwise) {
  if (owner?.closest('[hidden]')) otherwise.focus();
}

const QUIET_MS = 5000;
let spokenAt = 0;

/** Tells screen readers, at most every few seconds unless it matters. @param {string} text */
export function announce(text, matters = false) {
  const now = performance.now();
  if (!matters && now - spokenAt < QUIET_MS) return;
  spokenAt = now;
  element('status').textContent = text;
}

/**
 * The JSON of a response, or what went wrong, in words for people.
 * @param {Promise<Response>} sent @returns {Promise<{ answer?: any, error?: string, status?: number }>}
 */
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
