import { LocalError } from './upload-error.js';

/**
 * A bearer token, or where to get one: called at the start, and again with the token that the server refused, for one
 * that is good.
 */
export type TokenOption = string | ((refused?: string) => string | Promise<string>);

/** The token of one or several uploads. However many of them find it refused at once, a new one is got once. */
export class Tokens {
  private pending: Promise<string> | undefined;
  private token: string | undefined;

  constructor(private readonly option: TokenOption | undefined) {}

  /** @returns undefined where none is used: something before the server knows the user */
  async current(): Promise<string | undefined> {
    if (typeof this.option !== 'function') return this.option;
    return this.token ?? (await this.renew());
  }

  /** @returns another token; undefined when there is none to be had */
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
