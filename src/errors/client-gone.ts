/** The client closed the connection during the request. There is nobody to answer, and nothing was changed. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone';
}
