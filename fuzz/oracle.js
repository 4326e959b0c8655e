// @ts-check

/** Statuses that any URL may return besides the documented ones, because the request is not valid HTTP. */
const ANYWHERE = new Set([400, 401, 404, 405, 408, 411, 413, 414, 415, 417, 431]);

/**
 * Returns what is wrong with a response; an empty list if nothing is.
 * @param {import('./schema.js').Contract} contract @param {{ method: string, target: string }} request @param {import('./connection.js').Answer} answer
 * @returns {string[]}
 */
export function judge(contract, { method, target }, answer) {
  const { status } = answer;
  if (answer.bare) return [`${status}: ${answer.bare}`];
  if (status >= 500 || status < 200) return [`status ${status}`];
  const operation = contract.find(method, target);
  if (status >= 400) return judgeProblem(contract, answer, method === 'HEAD');
  if (!operation || method === 'HEAD') return [];
  return judgeSuccess(contract, operation, answer);
}

/**
 * @param {import('./schema.js').Contract} contract @param {import('./schema.js').Operation} operation
 * @param {import('./connection.js').Answer} answer
 */
function judgeSuccess(contract, operation, { status, headers, body }) {
  const documented = operation.responses[status];
  if (!documented) return [`${operation.id} does not document ${status}`];
  const schema = documented['application/json'];
  if (!schema) return body.length > 0 && status === 204 ? ['a body after 204'] : [];
  if (!/^application\/json/.test(headers.get('content-type') ?? '')) return [`${operation.id} is not JSON`];
  return contract.check(schema, parse(body)).map((fault) => `${operation.id} ${status}: ${fault}`);
}

/**
 * @param {import('./schema.js').Contract} contract @param {import('./connection.js').Answer} answer
 * @param {boolean} bodiless
 */
function judgeProblem(contract, { status, headers, body }, bodiless) {
  const type = headers.get('content-type') ?? '';
  if (!/^application\/problem\+json/.test(type)) return [`${status} is no problem but ${type || 'untyped'}`];
  if (bodiless) return [];
  const problem = parse(body);
  const faults = contract.check({ $ref: '#/components/schemas/ProblemDto' }, problem);
  if (problem?.status !== status) faults.push(`status ${problem?.status} in the body of a ${status}`);
  if (status === 401 && !headers.has('www-authenticate')) faults.push('401 without WWW-Authenticate');
  if (status === 405 && !headers.has('allow')) faults.push('405 without Allow');
  return faults.map((fault) => `${status} ${problem?.code}: ${fault}`);
}

/**
 * An error status that is missing from the document.
 * @param {import('./schema.js').Contract} contract @param {{ method: string, target: string }} request
 * @param {number} status
 */
export function undocumented(contract, { method, target }, status) {
  const operation = contract.find(method, target);
  if (!operation || status < 400 || operation.responses[status] || ANYWHERE.has(status)) return undefined;
  return `${operation.id} ${status}`;
}

/** @param {Buffer} body @returns {any} undefined if it is not JSON */
export function parse(body) {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}
