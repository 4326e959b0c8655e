/**
 * An error with its causes, as JSON. Only what names the fault: the properties of a database or HTTP error may hold
 * the values of a request.
 */
export function serializeError(error: unknown): object | undefined {
  if (!(error instanceof Error)) return error === undefined ? undefined : { message: String(error) };
  const { name, message, stack, cause } = error;
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
