/** Browsers know; anything else counts as online. */
export function isOffline(): boolean {
  const { navigator } = globalThis as { navigator?: { readonly onLine?: boolean } };
  return navigator?.onLine === false;
}

/** Calls back when a browser is back on its network. @returns what to call to hear no more of it */
export function onOnline(listener: () => void): () => void {
  const page: Partial<Pick<EventTarget, 'addEventListener' | 'removeEventListener'>> = globalThis;
  page.addEventListener?.('online', listener);
  return () => page.removeEventListener?.('online', listener);
}
