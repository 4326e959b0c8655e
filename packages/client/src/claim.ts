const taken = new Set<string>();

/** Keeps uploads of the same file in this process or page apart, by numbering them. */
export class Claim {
  /** The name as given for the first upload, with a number for further ones. */
  readonly name: string;
  readonly isFirst: boolean;
  private isHeld = true;

  constructor(name: string) {
    let number = 1;
    const numbered = () => (number === 1 ? name : `${name}\n${number}`);
    while (taken.has(numbered())) number += 1;
    this.name = numbered();
    this.isFirst = number === 1;
    taken.add(this.name);
  }

  /** Only the first call counts, because the name may have a new owner afterwards. */
  release(): void {
    if (this.isHeld) taken.delete(this.name);
    this.isHeld = false;
  }
}
