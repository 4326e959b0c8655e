/** Like `Promise.all`, but rejects only after both have settled, so that cleanup never overtakes a write. */
export async function allAfterSettled<A, B>(first: Promise<A>, second: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([first, second]);
  return [await first, await second];
}
