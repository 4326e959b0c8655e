/** The client closed the connection in mid-request: there is nobody to answer, and nothing was changed. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone';
}
