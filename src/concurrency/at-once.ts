/**
 * Runs `work` on each item, at most `limit` at a time. After a failure, starts no more and rejects when all have ended.
 */
export async function atOnce<Item>(
  limit: number,
  items: readonly Item[],
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const left = items.values();
  let hasFailed = false;
  const lane = async () => {
    try {
      for (const item of left) {
        if (hasFailed) return;
        await work(item);
      }
    } catch (error) {
      hasFailed = true;
      throw error;
    }
  };
  const lanes = await Promise.allSettled(Array.from({ length: limit }, lane));
  for (const outcome of lanes) if (outcome.status === 'rejected') throw outcome.reason;
}
