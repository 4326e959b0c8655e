const UNITS = ['bytes', 'kB', 'MB', 'GB'];

/** A number of bytes for people, as their file manager counts: 5 MB, 1.5 MB, 200 kB. */
export function byteSize(bytes: number): string {
  const power = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), UNITS.length - 1);
  return `${Math.floor((bytes / 1024 ** power) * 10) / 10} ${UNITS[power]}`;
}
