type Environment = Readonly<Record<string, string | undefined>>;

interface Runtime {
  readonly env: Environment;
  readonly execArgv: readonly string[];
  readonly versions: Readonly<Record<string, string | undefined>>;
}

/**
 * A hint if the environment has a proxy that requests to this server do not use. `fetch` in Node.js uses it only with
 * NODE_USE_ENV_PROXY, from versions 22.21 and 24 on. Bun and Deno use it by themselves.
 */
export function unusedProxy(url: string, { env, execArgv, versions }: Runtime): string | undefined {
  if (versions['bun'] ?? versions['deno']) return undefined;
  const name = proxyFor(new URL(url), env);
  if (name === undefined) return undefined;
  const can = canUseProxies(versions['node'] ?? '');
  const told = env['NODE_USE_ENV_PROXY'] === '1' || execArgv.includes('--use-env-proxy');
  if (can && told && !/^all_proxy$/i.test(name)) return undefined;
  const advice = can
    ? 'set NODE_USE_ENV_PROXY=1 and HTTP(S)_PROXY'
    : 'Node 24 can, with NODE_USE_ENV_PROXY=1';
  return `${name} is set, but this Node does not use it: ${advice}`;
}

/** @returns the name of the variable, if one applies */
function proxyFor({ protocol, hostname, port }: URL, env: Environment): string | undefined {
  if (isLocal(hostname) || isExcepted(hostname, port, env)) return undefined;
  const names = protocol === 'https:' ? ['https_proxy', 'HTTPS_PROXY'] : ['http_proxy', 'HTTP_PROXY'];
  return [...names, 'all_proxy', 'ALL_PROXY'].find((name) => env[name]);
}

function canUseProxies(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major >= 24 || (major === 22 && minor >= 21);
}

function isLocal(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\./.test(hostname);
}

/** NO_PROXY: hosts and domains with or without a leading dot, each with or without a port; `*` for all. */
function isExcepted(hostname: string, port: string, env: Environment): boolean {
  const exceptions = (env['no_proxy'] ?? env['NO_PROXY'] ?? '').toLowerCase().split(/[\s,]+/);
  return exceptions.filter(Boolean).some((exception) => {
    const [, domain = '', only] = /^\*?\.?([^:]*)(?::(\d+))?$/.exec(exception) ?? [];
    if (exception === '*') return true;
    if (domain === '' || (only && only !== port)) return false;
    return hostname === domain || hostname.endsWith(`.${domain}`);
  });
}
