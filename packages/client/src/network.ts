/** Outside browsers, always true. */
export function isOffline(): boolean {
  const { navigator } = globalThis as { navigator?: { readonly onLine?: boolean } };
  return navigator?.onLine === false;
}

/** Calls back when a browser is back online. @returns a function that unsubscribes */
export function onOnline(listener: () => void): () => void {
  const page: Partial<Pick<EventTarget, 'addEventListener' | 'removeEventListener'>> = globalThis;
  page.addEventListener?.('online', listener);
  return () => page.removeEventListener?.('online', listener);
}
