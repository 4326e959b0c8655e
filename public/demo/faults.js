// @ts-check

/** A fetch that asks the server to break things: once, or until told otherwise. */
export class FaultyFetch {
  /** @type {string | undefined} */
  #once;
  /** @type {string | undefined} */
  #always;

  /** @param {string} fault */
  next(fault) {
    this.#once = fault;
  }

  /** @param {string | undefined} fault */
  always(fault) {
    this.#always = fault;
  }

  /** @type {typeof fetch} */
  fetch = (input, init) => {
    const fault = this.#once ?? this.#always;
    this.#once = undefined;
    if (fault === undefined) return fetch(input, init);
    const headers = new Headers(init?.headers);
    headers.set('x-fault', fault);
    return fetch(input, { ...init, headers });
  };
}
