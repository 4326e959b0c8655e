/**
 * An error with its causes, as JSON. Includes only what identifies the error, because properties of database or HTTP
 * errors may contain values of a request.
 */
export function serializeError(error: unknown): object | undefined {
  if (!(error instanceof Error)) return error === undefined ? undefined : { message: String(error) };
  const { name, cause } = error;
  const [message, stack] = [error.message, error.stack].map(withoutIds);
  const { code, syscall } = error as NodeJS.ErrnoException;
  return {
    name,
    message,
    code,
    syscall,
    stack,
    ...(cause !== undefined && { cause: serializeError(cause) }),
  };
}

/** Shortens upload ids and file keys in paths. The first digits are enough to distinguish them. */
function withoutIds(text: string | undefined): string | undefined {
  return text?.replace(/\b([0-9a-f]{8})[0-9a-f]{24}\b/g, '$1…');
}
