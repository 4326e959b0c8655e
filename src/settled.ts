/**
 * Both results, when both are there. Unlike `Promise.all` it never gives up early: what fails first must not be cleaned
 * up after while the other is still under way.
 */
export async function settled<A, B>(first: Promise<A>, second: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([first, second]);
  return [await first, await second];
}
