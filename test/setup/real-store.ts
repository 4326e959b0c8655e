/** The settings of a real object store, if one is given: TEST_S3_ENDPOINT, TEST_S3_BUCKET and credentials. */
export function realStore(): Record<string, string> | undefined {
  const given = Object.entries(process.env).filter(([name]) => name.startsWith('TEST_S3_'));
  const settings = Object.fromEntries(
    given.map(([name, value]) => [name.slice('TEST_'.length), value ?? '']),
  );
  if (!settings['S3_ENDPOINT']) return undefined;
  return { STORAGE: 's3', S3_FORCE_PATH_STYLE: 'true', ...settings };
}
