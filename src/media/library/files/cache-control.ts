const YEAR_SECONDS = 31_536_000;

/**
 * Lets caches keep a file, which never changes, as long as its URL is valid.
 * @param secondsLeft how long a signed URL is good; undefined for a public one
 * @param sharedSeconds how long proxies and CDNs keep it, and may serve it after it is deleted; undefined: like browsers
 */
export function cacheControl(secondsLeft: number | undefined, sharedSeconds: number | undefined): string {
  if (secondsLeft !== undefined) return `private, max-age=${secondsLeft}`;
  const shared = sharedSeconds === undefined ? '' : ` s-maxage=${sharedSeconds},`;
  return `public, max-age=${YEAR_SECONDS},${shared} immutable`;
}
