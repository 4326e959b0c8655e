import { readFileSync } from 'node:fs';
import { Environment } from './environment.js';
import { misspelledSettings } from './misspelled.js';

it.each([
  ['MEDIA_URL', 'MEDIA_URLS'],
  ['MEDIA_SIGNED', 'MEDIA_URLS'],
  ['media_urls', 'MEDIA_URLS'],
  ['JWT-SECRET', 'JWT_SECRET'],
  ['JTW_SECRET', 'JWT_SECRET'],
  ['JWT_SECRET_KEY', 'JWT_SECRET'],
  ['PUBLICURL', 'PUBLIC_URL'],
  ['PUBLIC_URI', 'PUBLIC_URL'],
  ['DATABASE_HOST', 'DATABASE_URL'],
  ['CORS_ORIGIN', 'CORS_ORIGINS'],
  ['USER_MAX_OPEN_UPLOAD', 'USER_MAX_OPEN_UPLOADS'],
  ['WORKER', 'WORKERS'],
  ['UPLOAD_TTL', 'UPLOAD_TTL_SECONDS'],
])('%s is named', (name, like) => {
  const [line, ...rest] = misspelledSettings([name, 'PATH']);
  expect(line).toBe(`${name} is not a setting and has no effect. Did you mean ${like}?`);
  expect(rest).toEqual([]);
});

it('settings are not, nor what else there is where a server runs', () => {
  const others = [
    ...['HOME', 'PATH', 'PWD', 'USER', 'USERNAME', 'LOGNAME', 'LANG', 'TERM', 'SHELL', 'SHLVL', 'TZ', '_'],
    ...['HOSTNAME', 'NODE_OPTIONS', 'NODE_VERSION', 'NODE_PATH', 'YARN_VERSION', 'npm_config_cache'],
    ...[
      'INVOCATION_ID',
      'JOURNAL_STREAM',
      'SYSTEMD_EXEC_PID',
      'MEMORY_PRESSURE_WATCH',
      'USER_ID',
      'LOGS_DIRECTORY',
    ],
    ...[
      'KUBERNETES_SERVICE_HOST',
      'KUBERNETES_PORT',
      'POSTGRES_PASSWORD',
      'BIND_ADDRESS',
      'PGHOST',
      'PGPASSWORD',
    ],
    ...[
      'HTTP_PROXY',
      'HTTPS_PROXY',
      'NO_PROXY',
      'SSL_CERT_FILE',
      'OTEL_SERVICE_NAME',
      'CI',
      'DEBUG',
      'POSTS',
    ],
  ];
  expect(misspelledSettings([...Object.keys(new Environment()), ...others])).toEqual([]);
});

it('knows all that docker-compose.yml asks for', () => {
  const asked = readFileSync('docker-compose.yml', 'utf8').match(/(?<=\$\{)\w+/g) ?? [];
  expect(misspelledSettings(asked)).toEqual([]);
});
