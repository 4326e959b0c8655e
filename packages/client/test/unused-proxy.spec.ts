import { unusedProxy } from '../src/unused-proxy.js';

const MEDIA = 'https://media.example.org';
const notice = (
  env: Record<string, string>,
  { url = MEDIA, node = '20.20.0', execArgv = [] as string[], versions = {} } = {},
) => unusedProxy(url, { env, execArgv, versions: { node, ...versions } });

const PROXY = { HTTPS_PROXY: 'http://proxy:3128' };

it.each<[string, Parameters<typeof notice>]>([
  ['no proxy is set', [{}]],
  ['it is empty', [{ HTTPS_PROXY: '' }]],
  ['it is for another protocol', [{ HTTP_PROXY: 'http://proxy:3128' }]],
  ['the server is on this machine', [{ http_proxy: 'http://proxy' }, { url: 'http://localhost:3000' }]],
  ['the host is excepted', [{ ...PROXY, NO_PROXY: 'a.org, media.example.org' }]],
  ['its domain is excepted', [{ ...PROXY, no_proxy: '.example.org' }]],
  ['its domain is excepted, without a dot', [{ ...PROXY, no_proxy: 'EXAMPLE.org' }]],
  ['everything is excepted', [{ ...PROXY, no_proxy: '*' }]],
  ['Node 24 is told to use it', [{ ...PROXY, NODE_USE_ENV_PROXY: '1' }, { node: '24.1.0' }]],
  ['Node 22.21 is told to use it', [PROXY, { node: '22.21.0', execArgv: ['--use-env-proxy'] }]],
  ['Bun uses it', [PROXY, { versions: { bun: '1.3.0' } }]],
])('nothing is said where %s', (_, [env, more]) => {
  expect(notice(env, more)).toBeUndefined();
});

it.each<[string, Parameters<typeof notice>, string]>([
  ['Node cannot', [PROXY], 'HTTPS_PROXY is set, but this Node does not use it: Node 24 can'],
  [
    'Node could',
    [PROXY, { node: '24.1.0' }],
    'HTTPS_PROXY is set, but this Node does not use it: set NODE_USE',
  ],
  ['it is of all protocols', [{ all_proxy: 'socks5://proxy' }], 'all_proxy is set'],
  [
    'another host is excepted',
    [{ ...PROXY, no_proxy: 'ample.org,media.example.org:8443' }],
    'HTTPS_PROXY is set',
  ],
])('it is said that the proxy is not used where %s', (_, [env, more], message) => {
  expect(notice(env, more)).toContain(message);
});
