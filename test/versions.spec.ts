import { outdated, untold } from '../scripts/check-versions.js';

const at = (version: string) => ({ packages: { 'node_modules/a/node_modules/multer': { version } } });
const fixes = { multer: { 'CVE-1': ['1.4.5', '2.0.2'] } };

describe('npm run versions', () => {
  it.each(['1.4.4', '2.0.1', '0.9.0'])('finds a copy at %s, deep within another package', (version) => {
    expect(outdated(at(version), fixes)).toEqual([
      expect.stringMatching(/multer .*CVE-1.* 1\.4\.5, 2\.0\.2/),
    ]);
  });

  it.each(['1.4.5', '1.4.10', '2.0.2', '2.1.0', '3.0.0'])('is content with %s', (version) => {
    expect(outdated(at(version), fixes)).toEqual([]);
  });

  it('finds registries in lockfiles, and install scripts that nobody allowed', () => {
    const packages = {
      'node_modules/a': { version: '1.0.0', resolved: 'https://registry.example/a.tgz' },
      'node_modules/b': { version: '1.0.0', hasInstallScript: true },
      'node_modules/c': { version: '1.0.0', hasInstallScript: true },
    };
    expect(untold({ packages }, { c: false })).toEqual([
      'node_modules/a names a registry',
      'node_modules/b has an install script that allowScripts does not name',
    ]);
  });
});
