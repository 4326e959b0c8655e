/** @type {import('jest').Config} */
export default {
  testEnvironment: 'node',
  // Only a test that fails takes as long: these wait for what they test, on machines that may be busy.
  testTimeout: 90_000,
  roots: ['<rootDir>/src', '<rootDir>/test', '<rootDir>/packages'],
  testRegex: '\\.spec\\.ts$',
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: {
    '^(\\.{1,2}/.*(?<!\\.worker))\\.js$': '$1',
    '^@mediadock/client$': '<rootDir>/packages/client/src/node.ts',
  },
  transform: {
    // As in .swcrc.
    '^.+\\.ts$': '@swc/jest',
  },
  globalSetup: '<rootDir>/test/setup/global-setup.js',
  globalTeardown: '<rootDir>/test/setup/global-teardown.js',
};
