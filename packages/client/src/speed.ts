/** Long enough for a steady value, short enough to follow the network. */
const WINDOW_MS = 5_000;

export interface Progress {
  /** Bytes on the disk of the server. */
  readonly bytes: number;
  readonly total: number;
  /** Average of the last seconds; 0 until it is known. */
  readonly bytesPerSecond: number;
  /** Null until the speed is known. */
  readonly secondsLeft: number | null;
}

export class Speed {
  private samples: { readonly at: number; readonly bytes: number }[] = [];

  constructor(private readonly total: number) {}

  /** @param now milliseconds of a clock that never goes back */
  measure(bytes: number, now: number): Progress {
    const last = this.samples.at(-1);
    if (last && bytes < last.bytes) this.samples = [];
    const recent = this.samples.filter(({ at }) => at > now - WINDOW_MS);
    // At least one, because a chunk may take longer than the window.
    this.samples = [...(recent.length > 0 ? recent : this.samples.slice(-1)), { at: now, bytes }];
    const first = this.samples[0] as { at: number; bytes: number };
    const bytesPerSecond = now > first.at ? ((bytes - first.bytes) / (now - first.at)) * 1000 : 0;
    const secondsLeft = bytesPerSecond > 0 ? (this.total - bytes) / bytesPerSecond : null;
    return { bytes, total: this.total, bytesPerSecond, secondsLeft };
  }

  /** Call after a pause, which does not count. */
  reset(): void {
    this.samples = [];
  }
}
