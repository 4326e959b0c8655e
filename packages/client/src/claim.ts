const taken = new Set<string>();

/** What one upload of this process or page works on. Others that claim the same name meanwhile are numbered. */
export class Claim {
  /** As given for the first, with its number for the second and so on. */
  readonly name: string;
  readonly isFirst: boolean;

  constructor(name: string) {
    let number = 1;
    const numbered = () => (number === 1 ? name : `${name}\n${number}`);
    while (taken.has(numbered())) number += 1;
    this.name = numbered();
    this.isFirst = number === 1;
    taken.add(this.name);
  }

  release(): void {
    taken.delete(this.name);
  }
}
