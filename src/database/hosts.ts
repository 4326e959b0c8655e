/**
 * Returns a URL for each host that `url` names, as libpq writes them: `postgres://user@one:5432,two:5433/db`, or
 * `postgres:///db?host=one,two&port=5432,5433`.
 * @throws TypeError with the code ERR_INVALID_URL
 */
export function urlsOf(url: string): string[] {
  const [, scheme = '', user = '', hosts = '', rest = ''] = PARTS.exec(url) ?? [];
  const named = hosts.split(',');
  if (named.length === 1) return ofParameters(url);
  if (named.some((host) => host === '' || host.startsWith(':'))) throw wrong('A host has no name');
  return named.map((host) => `${scheme}${user}${host}${rest}`);
}

const PARTS = /^(postgres(?:ql)?:\/\/)([^/?#]*@)?([^/?#@]*)(.*)$/s;

function ofParameters(url: string): string[] {
  const [hosts, ports] = [listOf(url, 'host'), listOf(url, 'port')];
  if (hosts.length < 2 && ports.length < 2) return [url];
  if (hosts.includes('')) throw wrong('A host has no name');
  if (ports.length > 1 && ports.length !== hosts.length)
    throw wrong(`There are ${hosts.length} hosts and ${ports.length} ports`);
  return hosts.map((host, i) =>
    withParameter(withParameter(url, 'host', host), 'port', ports[i] ?? ports[0]),
  );
}

function listOf(url: string, name: string): string[] {
  const [, text] = parameter(name).exec(url) ?? [];
  try {
    return text === undefined ? [] : decodeURIComponent(text).split(',');
  } catch {
    throw wrong(`${name}=${text} is not encoded as in URLs`);
  }
}

function withParameter(url: string, name: string, value = ''): string {
  return url.replace(parameter(name), encodeURIComponent(value));
}

function parameter(name: string): RegExp {
  return new RegExp(`(?<=[?&]${name}=)([^&#]*)`);
}

function wrong(what: string): Error {
  return Object.assign(new TypeError(what), { code: 'ERR_INVALID_URL' });
}
