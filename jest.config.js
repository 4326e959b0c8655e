/** @type {import('jest').Config} */
export default {
  testEnvironment: 'node',
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
