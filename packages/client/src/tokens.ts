import { LocalError } from './upload-error.js';

/**
 * A bearer token, or a function that returns one. It is called at the start, and again with each token that the server
 * has refused.
 */
export type TokenOption = string | ((refused?: string) => string | Promise<string>);

/** The token of one or more uploads. If several of them are refused at once, only one new token is requested. */
export class Tokens {
  private pending: Promise<string> | undefined;
  private token: string | undefined;

  constructor(private readonly option: TokenOption | undefined) {}

  /** @returns undefined if no token is used, because something in front of the server identifies the user */
  async current(): Promise<string | undefined> {
    if (typeof this.option !== 'function') return this.option;
    return this.token ?? (await this.renew());
  }

  /** @returns another token, or undefined if none can be obtained */
  async refresh(refused: string | undefined): Promise<string | undefined> {
    if (typeof this.option !== 'function') return undefined;
    const token = this.token === refused ? await this.renew(refused) : await this.current();
    return token === refused ? undefined : token;
  }

  private async renew(refused?: string): Promise<string> {
    this.pending ??= this.ask(refused).finally(() => (this.pending = undefined));
    return await this.pending;
  }

  private async ask(refused?: string): Promise<string> {
    if (typeof this.option !== 'function') throw new TypeError('There is nobody to ask for a token');
    try {
      this.token = await (refused === undefined ? this.option() : this.option(refused));
      return this.token;
    } catch (error) {
      throw new LocalError('no-token', 'No valid token could be obtained; sign in again', error);
    }
  }
}
