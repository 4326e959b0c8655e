import leven from 'leven';
import { Environment } from './environment.js';

const SETTINGS: readonly string[] = Object.keys(new Environment());

/** Letters that may differ, and the length from which they may: HOME is not a misspelled HOST. */
const MAX_WRONG = 2;
const MIN_LENGTH = 7;

/** First words of settings that other programs use too. */
const OF_OTHERS: ReadonlySet<string> = new Set([
  'NODE',
  'USER',
  'LOG',
  'DATA',
  'PUBLIC',
  'MAX',
  'DISK',
  'TOKEN',
]);
const FAMILIES: ReadonlySet<string> = new Set(
  SETTINGS.flatMap((name) => firstWord(name) ?? []).filter((word) => !OF_OTHERS.has(word)),
);

/** A message for each variable that looks like a misspelled setting. */
export function misspelledSettings(names: readonly string[]): string[] {
  return names
    .filter((name) => !SETTINGS.includes(name))
    .map((name) => ({ name, like: nearest(normal(name)) }))
    .filter(({ name, like }) => isNear(normal(name), like) || FAMILIES.has(firstWord(normal(name)) ?? ''))
    .map(({ name, like }) => `${name} is not a setting and has no effect. Did you mean ${like}?`);
}

function nearest(name: string): string {
  const word = firstWord(name);
  const family = SETTINGS.filter((setting) => word !== undefined && firstWord(setting) === word);
  return (family.length > 0 ? family : SETTINGS).reduce((best, setting) =>
    leven(name, setting) < leven(name, best) ? setting : best,
  );
}

function isNear(name: string, setting: string): boolean {
  return setting.length >= MIN_LENGTH && leven(name, setting) <= MAX_WRONG;
}

/** Undefined if there is only one word. */
function firstWord(name: string): string | undefined {
  return /^([^_]+)_./.exec(name)?.[1];
}

function normal(name: string): string {
  return name.toUpperCase().replaceAll('-', '_');
}
