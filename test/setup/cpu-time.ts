/**
 * Milliseconds of CPU that this process, and the app in it, takes while `work` runs. Unlike time by the clock it does not grow
 * when others use the machine.
 * @param times of which the least counts: a garbage collection of what earlier tests have left may fall into one
 */
export async function cpuTime(work: () => Promise<unknown>, times = 1): Promise<number> {
  let least = Infinity;
  for (let time = 1; time <= times; time++) {
    const before = process.cpuUsage();
    await work();
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, (user + system) / 1000);
  }
  return least;
}
