import { LocalError } from './upload-error.js';

/** @returns the URL of a server without a trailing slash; empty for the origin of the page. Throws if it is invalid */
export function serverUrl(url: string | URL | undefined): string {
  const text = String(url ?? '')
    .trim()
    .replace(/\/+$/, '');
  // Browsers resolve a path relative to the page.
  if (isOnPage() && /^([./]|$)/.test(text)) return text;
  if (text === '') throw badUrl('The address of the server is missing: set the option url');
  const parsed = parse(text);
  if (!parsed)
    throw badUrl(`"${text}" is not the address of a server: it must start with http:// or https://`);
  const { username, password, search, hash } = parsed;
  if (username || password || search || hash)
    throw badUrl('The address of the server must not contain a user name, a password, a query or a fragment');
  return text;
}

function isOnPage(): boolean {
  const { location } = globalThis as { location?: { readonly protocol: string } };
  return location?.protocol === 'http:' || location?.protocol === 'https:';
}

function parse(text: string): URL | undefined {
  try {
    return /^https?:\/\//i.test(text) ? new URL(text) : undefined;
  } catch {
    return undefined;
  }
}

function badUrl(message: string): LocalError {
  return new LocalError('bad-url', message);
}
