// @ts-check
// The subset of JSON Schema and OpenAPI 3.1 that openapi.json uses.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * @typedef {Record<string, any>} Schema
 * @typedef {{ method: string, path: string, id: string, parameters: Schema[], bodies: Record<string, Schema>, pattern: RegExp,
 *   responses: Record<string, Record<string, Schema>> }} Operation
 */

export class Contract {
  /** @param {any} document */
  constructor(document) {
    this.document = document;
    /** @type {Operation[]} */
    this.operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(/** @type {Record<string, any>} */ (methods)).map(([method, spec]) =>
        operationOf(path, method, spec),
      ),
    );
  }

  static async read() {
    return new Contract(JSON.parse(await readFile(join(import.meta.dirname, '..', 'openapi.json'), 'utf8')));
  }

  /** The operation of a request. HEAD counts as GET. @param {string} method @param {string} target */
  find(method, target) {
    const path = target.replace(/[?#].*$/, '').replace(/(?<=.)\/$/, '');
    const verb = method === 'HEAD' ? 'GET' : method;
    const at = this.operations.filter(({ method, pattern }) => method === verb && pattern.test(path));
    return at.find(({ path: template }) => template === path) ?? at[0];
  }

  /** @param {Schema} schema @returns {Schema} */
  resolve(schema) {
    const name = schema['$ref']?.split('/').at(-1);
    return name ? this.document.components.schemas[name] : schema;
  }

  /**
   * Returns what is wrong, with paths; an empty list if nothing is.
   * @param {Schema} reference @param {unknown} value @param {string} [at] @returns {string[]}
   */
  check(reference, value, at = '$') {
    const schema = this.resolve(reference);
    if (schema['anyOf']) {
      const tries = schema['anyOf'].map((/** @type {Schema} */ one) => this.check(one, value, at));
      return tries.some((/** @type {string[]} */ one) => one.length === 0) ? [] : tries.flat();
    }
    const types = [schema['type'] ?? []].flat();
    if (types.length > 0 && !types.some((type) => isOf(type, value))) return [`${at} is not of ${types}`];
    return [
      ...simpleFaults(schema, value).map((fault) => `${at} ${fault}`),
      ...this.checkInside(schema, value, at),
    ];
  }

  /** @param {Schema} schema @param {unknown} value @param {string} at @returns {string[]} */
  checkInside(schema, value, at) {
    if (Array.isArray(value))
      return value.flatMap((item, index) => this.check(schema['items'] ?? {}, item, `${at}[${index}]`));
    if (typeof value !== 'object' || value === null) return [];
    const fields = /** @type {Record<string, unknown>} */ (value);
    const missing = (schema['required'] ?? []).filter((/** @type {string} */ name) => !(name in fields));
    const known = Object.entries(schema['properties'] ?? {}).filter(([name]) => name in fields);
    return [
      ...missing.map((/** @type {string} */ name) => `${at}.${name} is missing`),
      ...known.flatMap(([name, one]) => this.check(one, fields[name], `${at}.${name}`)),
    ];
  }
}

/** @param {string} path @param {string} method @param {any} spec @returns {Operation} */
function operationOf(path, method, spec) {
  const schemas = (/** @type {any} */ content = {}) =>
    Object.fromEntries(Object.entries(content).map(([type, { schema }]) => [type, schema ?? {}]));
  return {
    method: method.toUpperCase(),
    path,
    id: spec.operationId,
    parameters: spec.parameters ?? [],
    bodies: schemas(spec.requestBody?.content),
    pattern: new RegExp(`^${path.replace(/\{\w+\}/g, '[^/]+')}$`),
    responses: Object.fromEntries(
      Object.entries(spec.responses).map(([status, { content }]) => [status, schemas(content)]),
    ),
  };
}

/** @param {Schema} schema @param {unknown} value */
function simpleFaults({ enum: values, pattern, minimum, maximum }, value) {
  const faults = [];
  if (values && !values.includes(value)) faults.push(`is not one of ${values}`);
  if (pattern && typeof value === 'string' && !new RegExp(pattern, 'u').test(value))
    faults.push(`does not match ${pattern}`);
  if (typeof value === 'number' && (value < (minimum ?? -Infinity) || value > (maximum ?? Infinity)))
    faults.push('is out of range');
  return faults;
}

/** @param {string} type @param {unknown} value */
function isOf(type, value) {
  if (type === 'null') return value === null;
  if (type === 'array') return Array.isArray(value);
  if (type === 'integer') return Number.isInteger(value);
  if (type === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value);
  return typeof value === type;
}
