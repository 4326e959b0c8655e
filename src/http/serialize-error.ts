/**
 * An error with its causes, as JSON. Only what names the fault: the properties of a database or HTTP error may hold
 * the values of a request.
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

/** Upload ids and file keys stand in paths; the first digits are enough to tell one from another. */
function withoutIds(text: string | undefined): string | undefined {
  return text?.replace(/\b([0-9a-f]{8})[0-9a-f]{24}\b/g, '$1…');
}
