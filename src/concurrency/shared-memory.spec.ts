import { SharedMemory } from './shared-memory.js';

it('a task waits for a block, and gets the one that another has given back', async () => {
  const memory = new SharedMemory({ blocks: 1, bytes: 8 });
  const seen: Buffer[] = [];
  let underWay = 0;
  const task = async (block: Buffer) => {
    expect(++underWay).toBe(1);
    await Promise.resolve();
    underWay--;
    seen.push(block);
  };
  await Promise.all([memory.use(task), memory.use(task)]);
  expect(seen[0]?.length).toBe(8);
  expect(seen[1]).toBe(seen[0]);
});

it('gives nobody a block that a failed task may still be sending', async () => {
  const memory = new SharedMemory({ blocks: 1, bytes: 8 });
  let failed: Buffer | undefined;
  const failing = memory.use((block) => Promise.reject(new Error(String((failed = block).length))));
  await expect(failing).rejects.toThrow('8');
  await memory.use((block) => Promise.resolve(expect(block).not.toBe(failed)));
});
