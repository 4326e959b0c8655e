/**
 * Milliseconds of CPU that this process, and the app in it, takes while `work` runs. Unlike time by the clock it does not grow
 * when others use the machine.
 */
export async function cpuTime(work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
