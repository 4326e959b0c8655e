import { fromDatabase, isDatabaseAway } from './database-errors.js';

const error = (code: string, more: object = {}) => Object.assign(new Error('…'), { code, ...more });

it.each([
  ['wrong password', '28P01', false],
  ['role that may not log in', '28000', false],
  ['database gone', '3D000', false],
  ['schema gone', '3F000', false],
  ['table gone', '42P01', false],
  ['no privilege', '42501', false],
  ['lock not available', '55P03', false],
  ['certificate expired', 'CERT_HAS_EXPIRED', false],
  ['database takes no connections', '55000', true],
  ['read-only standby', '25006', true],
  ['coming up', '57P03', true],
  ['too many connections', '53300', true],
  ['disk of Postgres fails', '58030', true],
  ['pooler', '08P01', true],
  ['refused', 'ECONNREFUSED', true],
])('%s (%s): 503, and worth waiting for at the start: %s', (_, code, isAway) => {
  expect(fromDatabase(error(code))).toMatchObject({ status: 503, details: { action: 'wait' } });
  expect(isDatabaseAway(error(code))).toBe(isAway);
});

it.each([
  ['whatever ended the session', error('XX000', { severity: 'FATAL' })],
  ['a name with two addresses', Object.assign(new Error(), { errors: [error('ECONNREFUSED')] })],
  [
    'a password that is missing',
    new Error('SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string'),
  ],
  ['a pool that is closing', new Error('Cannot use a pool after calling end on the pool')],
])('%s: 503', (_, thrown) => {
  expect(fromDatabase(thrown)).toMatchObject({ status: 503 });
});

it.each([
  ['a mistake in SQL', error('42601')],
  ['a broken rule', error('23505')],
  ['a missing file', error('ENOENT', { syscall: 'open' })],
  ['a mistake in the source', new TypeError('x is not a function')],
  ['nothing', undefined],
  ['words', 'no'],
])('%s: not of the way to the database', (_, thrown) => {
  expect(fromDatabase(thrown)).toBeUndefined();
});
