/** The arrows of the house: who may import whom. `npm run arrows` checks them. */
const onlyTo = (name, from, allowed, comment) => ({
  name,
  comment,
  severity: 'error',
  from: { path: from, pathNot: '\\.spec\\.ts$' },
  to: { path: '^(src|migrations)/', pathNot: [from, ...allowed] },
});

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    {
      name: 'no-circles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-orphans',
      severity: 'error',
      from: { orphan: true, pathNot: ['\\.spec\\.ts$', '\\.worker\\.js$'] },
      to: {},
    },
    onlyTo('config-stands-alone', '^src/config/', [], 'Settings depend on nothing of the app'),
    onlyTo('audit-stands-alone', '^src/audit/', [], 'What is told of an event depends on nothing of the app'),
    onlyTo('concurrency-stands-alone', '^src/concurrency/', [], 'Locks and batches do not know what for'),
    onlyTo('errors-stand-alone', '^src/errors/', [], 'The catalogue of errors depends on nothing of the app'),
    onlyTo(
      'storage-is-bytes-only',
      '^src/storage/',
      ['^src/(config|errors|concurrency)/'],
      'No users, no sessions, no SQL in storage',
    ),
    onlyTo(
      'http-knows-no-feature',
      '^src/http/',
      ['^src/errors/'],
      'Neither of bodies nor of what they are for',
    ),
    onlyTo(
      'bodies-know-no-feature',
      '^src/body/',
      ['^src/(config|http|errors)/'],
      'Reading requests does not depend on what for',
    ),
    onlyTo(
      'metrics-know-no-feature',
      '^src/metrics/',
      ['^src/(config|http)/'],
      'Figures are counted where things happen, and only collected here',
    ),
    onlyTo(
      'auth-knows-no-media',
      '^src/auth/',
      ['^src/(audit|config|errors|http|body)/'],
      'Who is asking does not depend on what for',
    ),
    onlyTo(
      'jobs-know-no-feature',
      '^src/jobs/',
      ['^src/(concurrency|config|database|errors)/'],
      'What the work is belongs to those who have it done',
    ),
    onlyTo(
      'outgoing-knows-no-feature',
      '^src/outgoing/',
      ['^src/(config|errors)/'],
      'Signing and sending do not depend on what is told',
    ),
    {
      name: 'media-knows-no-events',
      comment: 'Triggers record events; src/events tells of them',
      severity: 'error',
      from: { path: '^src/media/' },
      to: { path: '^src/events/' },
    },
    onlyTo('migrations-are-frozen', '^migrations/', [], 'A migration must not change when the app does'),
    {
      name: 'express-at-the-edge',
      comment:
        'Services take values and throw; requests and responses stop at controllers, pipes, guards and filters',
      severity: 'error',
      from: {
        path: '^src/media/.*(service|writer|opener|publisher|store|commits|tail|sessions|sweeper|entity|inspector)\\.ts$',
      },
      to: { path: 'node_modules/(@types/)?express' },
    },
    {
      name: 'no-sql-in-controllers',
      severity: 'error',
      from: { path: 'controller\\.ts$', pathNot: '^src/health/' },
      to: { path: ['^src/database/', 'node_modules/(pg|typeorm)/'] },
    },
    {
      name: 'aws-inside-its-driver',
      comment:
        'Other installations need not load the SDK: only the storage module imports the driver, when it is chosen',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/storage/s3/' },
      to: { path: 'node_modules/(@aws-sdk|@smithy)/' },
    },
    {
      name: 's3-only-when-chosen',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/storage/s3/' },
      to: { path: '^src/storage/s3/', dependencyTypesNot: ['dynamic-import', 'type-only'] },
    },
    {
      name: 'tests-stay-outside',
      severity: 'error',
      from: { path: '^src/', pathNot: '\\.spec\\.ts$' },
      to: { path: ['^test/', '\\.spec\\.ts$'] },
    },
    {
      name: 'only-runtime-dependencies',
      severity: 'error',
      from: { path: '^src/', pathNot: '\\.spec\\.ts$' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
};
