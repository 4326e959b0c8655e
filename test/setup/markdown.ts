/** A fenced block of a page. */
export interface Block {
  readonly language: string;
  readonly text: string;
  /** Of its fence, from 1. */
  readonly line: number;
  /** Why it cannot run where the tests do: `<!-- not run: … -->` on the line before it. */
  readonly notRun: string | undefined;
  /** Where it begins and ends in the page. */
  readonly place: readonly [start: number, end: number];
}

/** A command block, and what the page shows as its answer: a ```text or ```json block right behind it. */
export interface Command {
  readonly block: Block;
  readonly answer: string | undefined;
}

export function blocksOf(page: string): Block[] {
  const fence = /^(?:<!-- not run: (?<notRun>.+?) -->\n)?```(?<language>[a-z]*)\n(?<text>[^]*?)^```$/gm;
  return [...page.matchAll(fence)].map(({ 0: { length }, groups = {}, index }) => ({
    language: groups['language'] ?? '',
    text: groups['text'] ?? '',
    line: page.slice(0, index).split('\n').length + (groups['notRun'] ? 1 : 0),
    notRun: groups['notRun'],
    place: [index, index + length],
  }));
}

export function commandsOf(page: string): Command[] {
  const blocks = blocksOf(page);
  return blocks.flatMap((block, index) => {
    if (block.language !== 'sh') return [];
    const next = blocks[index + 1];
    const isBehind = page.slice(block.place[1], next?.place[0]).trim() === '';
    const isAnswer = isBehind && ['text', 'json'].includes(next?.language ?? '');
    return [{ block, answer: isAnswer ? next?.text : undefined }];
  });
}

/** Whether `shown` is what was printed. `…` stands for anything, and white space for nothing. */
export function matches(shown: string, printed: string): boolean {
  const parts = withoutSpace(shown)
    .split('…')
    .map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  return new RegExp(`^${parts.join('[^]*?')}$`).test(withoutSpace(printed));
}

/** The cells of every table row. */
export function rowsOf(page: string): string[][] {
  const rows = page.split('\n').filter((line) => /^\|.*\|$/.test(line) && !/^\|[\s:|-]*\|$/.test(line));
  return rows.map((row) =>
    row
      .slice(1, -1)
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim()),
  );
}

function withoutSpace(text: string): string {
  return text.replace(/\s/g, '');
}
