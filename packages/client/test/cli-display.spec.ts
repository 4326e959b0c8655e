import { jest } from '@jest/globals';
import { display, type Row } from '../src/cli-display.js';

const progress = (bytes: number, secondsLeft: number | null, bytesPerSecond = 1_500_000) => ({
  bytes,
  total: 1000,
  bytesPerSecond,
  secondsLeft,
});

function row(name: string, state: Row['upload']['state'], at?: Row['upload']['progress']): Row {
  const upload = { state, progress: at, on: () => upload } as unknown as Row['upload'];
  return { name, upload };
}

/** What is on a terminal when all is drawn. */
function drawn(rows: readonly Row[], size: { columns?: number; rows?: number } = {}): string[] {
  const written: string[] = [];
  const end = display({ isTTY: true, ...size, write: (text) => written.push(text) }, rows);
  end();
  return written.join('').split('\n');
}

describe('the bars of a terminal', () => {
  it('show share, name, speed and time left', () => {
    expect(
      drawn([
        row('a.pdf', 'running', progress(500, 9.2)),
        row('b.pdf', 'running', progress(0, 600, 12_000)),
        row('c.pdf', 'running', progress(0, null)),
        row('d.pdf', 'queued'),
        row('e.pdf', 'done', progress(1000, 0)),
      ]),
    ).toEqual([
      '\x1b[J████████████░░░░░░░░░░░░  50 %  a.pdf  1.5 MB/s, 10 s left',
      '░░░░░░░░░░░░░░░░░░░░░░░░   0 %  b.pdf  12 kB/s, 10 min left',
      '░░░░░░░░░░░░░░░░░░░░░░░░   0 %  c.pdf  ',
      '░░░░░░░░░░░░░░░░░░░░░░░░   0 %  d.pdf  queued',
      '████████████████████████ 100 %  e.pdf  done',
      '',
    ]);
  });

  it('are drawn on a terminal that does not know its size', () => {
    expect(drawn([row('a.pdf', 'queued')], { columns: 0, rows: 0 })).toEqual([
      '\x1b[J░░░░░░░░░░░░░░░░░░░░░░░░   0 %  a.pdf  queued',
      '',
    ]);
  });

  it('stay within the screen', () => {
    const rows = [...Array(30).keys()].map((n) => row(`${n}.pdf`, n % 2 ? 'running' : 'done'));
    const lines = drawn(rows, { columns: 34, rows: 10 });
    expect(lines).toHaveLength(10);
    expect(lines[1]).toBe('░░░░░░░░░░░░░░░░░░░░░░░░   0 %  3');
  });

  it('are drawn over the ones before', () => {
    jest.useFakeTimers();
    const written: string[] = [];
    const rows = [row('a', 'running'), row('b', 'running')];
    const end = display({ isTTY: true, write: (text) => written.push(text) }, rows);
    jest.advanceTimersByTime(200);
    end();
    jest.useRealTimers();
    expect(written.map((text) => text.slice(0, 7).replace(/[█░]/g, ''))).toEqual([
      '\x1b[J',
      '\x1b[2A\x1b[J',
      '\x1b[2A\x1b[J',
    ]);
  });
});
