/** Long enough to be calm, short enough to follow the network. */
const WINDOW_MS = 5_000;

export interface Progress {
  /** On the server's disk. */
  readonly bytes: number;
  readonly total: number;
  /** Over the last seconds; 0 until it is known. */
  readonly bytesPerSecond: number;
  /** Null until the speed is known. */
  readonly secondsLeft: number | null;
}

/** How fast an upload goes, from when it stood where. */
export class Speed {
  private samples: { readonly at: number; readonly bytes: number }[] = [];

  constructor(private readonly total: number) {}

  /** @param now milliseconds of a clock that never goes back */
  measure(bytes: number, now: number): Progress {
    const last = this.samples.at(-1);
    if (last && bytes < last.bytes) this.samples = [];
    this.samples = [...this.samples.filter(({ at }) => at > now - WINDOW_MS), { at: now, bytes }];
    const first = this.samples[0] as { at: number; bytes: number };
    const bytesPerSecond = now > first.at ? ((bytes - first.bytes) / (now - first.at)) * 1000 : 0;
    const secondsLeft = bytesPerSecond > 0 ? (this.total - bytes) / bytesPerSecond : null;
    return { bytes, total: this.total, bytesPerSecond, secondsLeft };
  }

  /** Time that passes in a pause is no slowness. */
  reset(): void {
    this.samples = [];
  }
}
