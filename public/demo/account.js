// @ts-check
import { API, element, outcome } from './page.js';

const KEY = 'demo token';
const field = /** @type {HTMLInputElement} */ (element('token'));

export const token = () => field.value.trim();

/** What is wrong with the token, as far as that is certain before anything is sent; '' if nothing. */
function complaint() {
  if (!token()) return 'Paste a token.';
  const [wrong] = /[^!-~]/u.exec(token()) ?? [];
  return wrong ? `No token contains “${wrong}”. Copy it again.` : '';
}

/**
 * Sends nothing without a token that can be sent.
 * @param {string} path @param {RequestInit} [init] @returns {Promise<Response>}
 */
export async function authorized(path, init) {
  if (complaint()) return new Response(JSON.stringify({ detail: complaint() }), { status: 400 });
  const headers = { ...init?.headers, authorization: `Bearer ${token()}` };
  return await fetch(new URL(path, API), { ...init, headers });
}

/** Whether there is a token that can be sent. Asks for one if not. */
export function hasToken() {
  field.setCustomValidity(complaint());
  return field.reportValidity();
}

/** @param {() => void} changed */
export function startAccount(changed) {
  const keep = () => {
    remember(token());
    changed();
  };
  field.onchange = keep;
  element('account').onsubmit = (/** @type {Event} */ event) => event.preventDefault();
  element('demo-token').onclick = async () => {
    // A new user for each demo token.
    const user = Array.from(crypto.getRandomValues(new Uint8Array(4)), (byte) => byte.toString(16)).join('');
    const body = new URLSearchParams({ user_id: `demo-${user}` });
    const { answer, error } = await outcome(fetch(new URL('dev/token/', API), { method: 'POST', body }));
    element('message').textContent = error ?? '';
    if (!answer) return;
    field.value = answer.token;
    keep();
  };
  field.value = remembered();
  if (field.value) changed();
}

// Storage may be blocked. The token then lasts as long as the page.

/** @param {string} value */
function remember(value) {
  try {
    localStorage.setItem(KEY, value);
  } catch {
    // Nothing to do.
  }
}

function remembered() {
  try {
    return localStorage.getItem(KEY) ?? '';
  } catch {
    return '';
  }
}
