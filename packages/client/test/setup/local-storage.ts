/** A Storage as browsers have it; `full` makes every write fail. */
export class FakeStorage {
  full = false;

  getItem(key: string): string | null {
    return Object.hasOwn(this, key) ? String(Reflect.get(this, key)) : null;
  }

  setItem(key: string, value: string): void {
    if (this.full) throw new DOMException('Full', 'QuotaExceededError');
    Object.defineProperty(this, key, { value, enumerable: true, configurable: true });
  }

  removeItem(key: string): void {
    Reflect.deleteProperty(this, key);
  }
}
