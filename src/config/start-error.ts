/** Keeps the server from starting. The message says to a person, in a sentence or two, what is wrong and what to do. */
export class StartError extends Error {
  override readonly name: string = 'StartError';
}
