/** Time limit of a call, including retries. */
export const PATIENCE_MS = 15_000;
/** Time limit of one attempt, up to the head of the answer. Afterwards a pause may last as long. */
export const ATTEMPT_MS = 8000;
/** An attempt includes sending its body. More than a chunk gets more time: several may share an uplink of 1 Mbit/s. */
const QUICK_BYTES = 1024 * 1024;
const MIN_BYTES_PER_MS = 32;

export function patience(ms = PATIENCE_MS): { abortSignal: AbortSignal } {
  return { abortSignal: AbortSignal.timeout(ms) };
}

/** For a request with a body of so many bytes. */
export function sending(bytes: number, withinMs = PATIENCE_MS) {
  const extra = bytes > QUICK_BYTES ? Math.ceil(bytes / MIN_BYTES_PER_MS) : 0;
  return { ...patience(withinMs + extra), requestTimeout: ATTEMPT_MS + extra };
}
