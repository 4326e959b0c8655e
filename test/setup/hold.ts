/** Holds the calls of a method of one server until they are released, so that tests can look at what lies in between. */
export class Hold {
  private arrive!: () => void;
  private let!: () => void;
  /** Resolves when the first call has come. */
  readonly reached = new Promise<void>((resolve) => (this.arrive = resolve));
  private readonly released = new Promise<void>((resolve) => (this.let = resolve));

  private constructor(private readonly restore: () => void) {}

  /** @param place `before` the method runs, or `after`, when only its answer is held */
  static on<T extends object>(target: T, method: keyof T & string, place: 'before' | 'after'): Hold {
    const original = target[method] as (...args: unknown[]) => Promise<unknown>;
    const hold = new Hold(() => Reflect.deleteProperty(target, method));
    const held = async (...args: unknown[]): Promise<unknown> => {
      const result = place === 'after' ? await original.apply(target, args) : undefined;
      hold.arrive();
      await hold.released;
      return place === 'after' ? result : await original.apply(target, args);
    };
    Object.assign(target, { [method]: held });
    return hold;
  }

  release(): void {
    this.restore();
    this.let();
  }
}

/** Makes the next call of a method fail, before it does anything or after it has done all. */
export function failOnce<T extends object>(
  target: T,
  method: keyof T & string,
  error: Error,
  place: 'before' | 'after',
): void {
  const original = target[method] as (...args: unknown[]) => Promise<unknown>;
  const failing = async (...args: unknown[]): Promise<unknown> => {
    Reflect.deleteProperty(target, method);
    if (place === 'after') await original.apply(target, args);
    throw error;
  };
  Object.assign(target, { [method]: failing });
}

/** What of the arguments of each call of a method, in the order of the calls from now on. */
export function seen<T extends object, Args extends unknown[], Seen>(
  target: T,
  method: keyof T & string,
  what: (...args: Args) => Seen,
): Seen[] {
  const original = target[method] as (...args: Args) => unknown;
  const calls: Seen[] = [];
  const watched = (...args: Args): unknown => {
    calls.push(what(...args));
    return original.apply(target, args);
  };
  Object.assign(target, { [method]: watched });
  return calls;
}
