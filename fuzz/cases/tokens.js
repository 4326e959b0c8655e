// @ts-check
import { sign } from '../client.js';
import { mutateHeader } from '../mutate.js';

/** @typedef {import('../client.js').Client} Client @typedef {import('../../crash/random.js').Random} Random */

const TRIES = 16;
const GOOD = { user_id: 1, token_type: 'access', exp: 4_000_000_000 };
const PLAIN = { alg: 'HS256', typ: 'JWT' };

/** Tokens that must be refused, on every route that needs one. @param {Client} client @param {Random} random */
export async function tokens(client, random) {
  const guarded = client.ledger.contract.operations.filter(({ responses }) => '401' in responses);
  for (let left = TRIES; left > 0; left--) {
    const { method, path } = random.pick(guarded);
    const target = path.replace('{id}', '1').replace('{upload_id}', '0'.repeat(32));
    const headers = headersOf(client, random);
    const body = method === 'GET' || method === 'DELETE' ? {} : { body: Buffer.from('{}') };
    const reply = await client.send({ method, target, token: null, headers, ...body });
    client.expect(reply, (status) => status === 401 || status === 431, `token on ${method} ${path}`);
  }
}

/** @param {Client} client @param {Random} random @returns {import('../client.js').Headers} */
function headersOf(client, random) {
  const token = tokenOf(client, random);
  const scheme = random.pick([
    'Bearer',
    'Bearer',
    'Bearer',
    'Basic',
    'Bearer Bearer',
    'Token',
    '',
    'Bearer,',
  ]);
  const wrong = scheme === 'Bearer' ? token : client.token;
  /** @type {(() => import('../client.js').Headers)[]} */
  const shapes = [
    () => [],
    () => [['Authorization', `${scheme} ${scheme === 'Bearer' ? wrong : `${wrong}x`}`]],
    () => [['Authorization', `Bearer ${token}`]],
    () => [['Authorization', `Bearer ${token}`]],
    () => [
      ['Authorization', `Bearer ${client.token}`],
      ['Authorization', `Bearer ${token}`],
    ],
    () => [
      ['X-Authorization', `Bearer ${client.token}`],
      ['Cookie', `token=${client.token}`],
    ],
  ];
  return random.pick(shapes)();
}

/** @param {Client} client @param {Random} random @returns {string} */
function tokenOf(client, random) {
  const [head = '', claims = '', signature = ''] = client.token.split('.');
  return random.pick([
    () => '',
    () => 'null',
    () => `${head}.${claims}.`,
    () => `${head}.${claims}`,
    () => `${head}..${signature}`,
    () => `${client.token}.${signature}`,
    () => `${head}.${claims}.${signature.split('').reverse().join('')}`,
    () => otherThan(client.token, mutateHeader(client.token, random)),
    () => otherThan(client.token, mutateHeader(client.token, random)),
    () =>
      sign(GOOD, { ...PLAIN, alg: random.pick(['none', 'None', 'RS256', 'HS512', '', 'ES256', 'EdDSA']) }),
    () => sign(GOOD, PLAIN, random.pick(['', 'secret', 'another secret that is long enough'])),
    () => sign(GOOD, { ...PLAIN, crit: ['exp'], exp: 1 }),
    () => sign(GOOD, { ...PLAIN, typ: random.pick(['refresh+jwt', 'JWE', '', 1]) }),
    () => sign({ ...GOOD, exp: random.pick([0, 1, -1, 1e308, '4000000000', null, [], {}, 1.5, undefined]) }),
    () =>
      sign({
        ...GOOD,
        user_id: random.pick([{}, [], true, 1.5, 1e308, '', 'a\0b', 'x'.repeat(256), '\ud800']),
      }),
    () => sign({ ...GOOD, token_type: random.pick(['refresh', '', null, {}, 1]) }),
    () => sign({ ...GOOD, nbf: 3_999_999_999 }),
    () => `${Buffer.from('{"alg":"HS256"').toString('base64url')}.${claims}.${signature}`,
    () => 'x'.repeat(random.pick([1, 100, 5000, 20_000])),
    () => `${'.'.repeat(random.between(1, 3000))}`,
  ])();
}

/**
 * Whether a mutant still decodes to the good token, apart from case and padding.
 * @param {string} good @param {string} mutant
 */
function otherThan(good, mutant) {
  const same = mutant.split('.').length === 3 && bits(good) === bits(mutant);
  return same || mutant.trim().startsWith(good) ? 'x' : mutant;
}

/** @param {string} token */
function bits(token) {
  return token
    .split('.')
    .map((part) => Buffer.from(part, 'base64url').toString('hex'))
    .join('.');
}
