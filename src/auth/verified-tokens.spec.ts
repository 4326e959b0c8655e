import { jest } from '@jest/globals';
import { loadConfig } from '../config/load-config.js';
import { VerifiedTokens } from './verified-tokens.js';

const NOW_SECONDS = 1_800_000_000;

function tokens(cacheSeconds = 60): VerifiedTokens {
  return new VerifiedTokens(
    loadConfig({ NODE_ENV: 'test', JWT_SECRET: 's'.repeat(32), TOKEN_CACHE_SECONDS: String(cacheSeconds) }),
  );
}

beforeEach(() => void jest.useFakeTimers({ now: NOW_SECONDS * 1000 }));
afterEach(() => void jest.useRealTimers());

const pass = (seconds: number) => jest.setSystemTime(Date.now() + seconds * 1000);

it('finds a token for as long as it may, and no other', () => {
  const verified = tokens();
  const user = { id: '7', until: NOW_SECONDS + 3600 };
  verified.keep('Bearer a', user);
  pass(59);
  expect([verified.find('Bearer a'), verified.find('Bearer b'), verified.find(undefined)]).toEqual([
    user,
    undefined,
    undefined,
  ]);
  pass(1);
  expect(verified.find('Bearer a')).toBeUndefined();
});

it('never finds a token past its exp', () => {
  const verified = tokens();
  verified.keep('Bearer a', { id: '7', until: NOW_SECONDS + 10 });
  pass(9);
  expect(verified.find('Bearer a')).toBeDefined();
  pass(1);
  expect(verified.find('Bearer a')).toBeUndefined();
});

it('keeps nothing when it is off', () => {
  const verified = tokens(0);
  verified.keep('Bearer a', { id: '7', until: NOW_SECONDS + 3600 });
  expect(verified.find('Bearer a')).toBeUndefined();
});

it('stays small: the least recently used token goes first', () => {
  const verified = tokens();
  const keep = (name: number) => verified.keep(`Bearer ${name}`, { id: '7', until: NOW_SECONDS + 3600 });
  for (let i = 0; i < 1000; i++) keep(i);
  expect(verified.find('Bearer 0')).toBeDefined();
  keep(1000);
  expect(verified.find('Bearer 0')).toBeDefined();
  expect(verified.find('Bearer 1')).toBeUndefined();
});

it('keeps one token once, however it is written', () => {
  const verified = tokens();
  const user = { id: '7', until: NOW_SECONDS + 3600 };
  verified.keep('Bearer a', { id: '8', until: NOW_SECONDS + 3600 });
  for (let blanks = 1; blanks <= 2000; blanks++) verified.keep(`bearer${' '.repeat(blanks)}b`, user);
  expect(verified.find('Bearer a')).toBeDefined();
  expect(verified.find('BEARER b')).toEqual(user);
});
