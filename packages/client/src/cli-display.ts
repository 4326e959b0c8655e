import type { Upload } from './upload.js';

const BAR_CHARS = 24;
const REDRAW_MS = 100;

export interface Row {
  readonly name: string;
  readonly upload: Pick<Upload, 'state' | 'progress' | 'on'>;
}

/** The terminal, or another output stream. */
interface Screen {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
}

/** Shows progress bars on a terminal, and lines elsewhere. @returns a function to call at the end */
export function display(screen: Screen, rows: readonly Row[]): () => void {
  return screen.isTTY ? drawBars(screen, rows) : printLines(screen, rows);
}

/** Prints when an upload starts, resumes, has to wait, and is done. */
function printLines(screen: Screen, rows: readonly Row[]): () => void {
  for (const { name, upload } of rows) {
    let begun = false;
    upload.on('progress', ({ bytes, total }) => {
      if (!begun) screen.write(`${name}: ${bytes > 0 ? `resuming at ${bytes} of ` : ''}${total} bytes\n`);
      begun = true;
    });
    upload.on('retry', ({ error, delayMs }) => {
      screen.write(`${name}: ${error.message} (${error.code}), retrying in ${seconds(delayMs / 1000)}\n`);
    });
    upload.on('state', (state) => {
      if (state === 'done') screen.write(`${name}: done\n`);
    });
  }
  return () => undefined;
}

function drawBars(screen: Screen, rows: readonly Row[]): () => void {
  let drawn = 0;
  // A terminal of unknown size reports 0.
  const draw = () => {
    const lines = visible(rows, screen.rows || 24).map((row) => line(row, screen.columns || 80));
    const up = drawn > 0 ? `\x1b[${drawn}A` : '';
    screen.write(`${up}\x1b[J${lines.map((text) => `${text}\n`).join('')}`);
    drawn = lines.length;
  };
  const timer = setInterval(draw, REDRAW_MS);
  return () => {
    clearInterval(timer);
    draw();
  };
}

/** At most as many lines as the screen has, since more could not be redrawn. Active uploads come first. */
function visible(rows: readonly Row[], height: number): readonly Row[] {
  if (rows.length < height) return rows;
  return rows.filter(({ upload }) => upload.state === 'running').slice(0, height - 1);
}

function line({ name, upload: { state, progress } }: Row, columns: number): string {
  const share = progress ? progress.bytes / progress.total : 0;
  const filled = Math.floor(share * BAR_CHARS);
  const bar = '█'.repeat(filled) + '░'.repeat(BAR_CHARS - filled);
  const text = `${bar} ${String(Math.floor(share * 100)).padStart(3)} %  ${name}  ${note(state, progress)}`;
  return text.slice(0, columns - 1);
}

function note(state: Upload['state'], progress: Upload['progress']): string {
  if (state !== 'running' || !progress) return state;
  if (progress.secondsLeft === null) return '';
  return `${megabytes(progress.bytesPerSecond)}/s, ${seconds(progress.secondsLeft)} left`;
}

function megabytes(bytes: number): string {
  return bytes < 1e6 ? `${Math.round(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function seconds(seconds: number): string {
  return seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`;
}
