/** As `engines` in package.json. */
const LEAST = [20, 19] as const;

/** Ends the process with a sentence if this Node is too old. Must not import anything: an old Node may not have it. */
export function refuseOldNode(version: string = process.versions.node): void {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > LEAST[0] || (major === LEAST[0] && minor >= LEAST[1])) return;
  console.error(
    `Mediadock needs Node ${LEAST.join('.')} or newer, and this is ${version}: install a newer one.`,
  );
  process.exit(1);
}
