/** Stops the start. The message tells the operator in a sentence or two what is wrong and what to do. */
export class StartError extends Error {
  override readonly name: string = 'StartError';
}
