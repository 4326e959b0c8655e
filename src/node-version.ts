/** The same as `engines` in package.json. */
const LEAST = [20, 19] as const;

/** Ends the process with a message if Node.js is too old. Must not import anything that an old version may lack. */
export function refuseOldNode(version: string = process.versions.node): void {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > LEAST[0] || (major === LEAST[0] && minor >= LEAST[1])) return;
  console.error(
    `Mediadock needs Node.js ${LEAST.join('.')} or newer, but this is ${version}. Please upgrade.`,
  );
  process.exit(1);
}
