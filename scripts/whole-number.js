// @ts-check

/** The value of an option that is a number of at least 1. Anything else ends the process. @param {string} name @param {string} text */
export function wholeNumber(name, text, most = Infinity) {
  const number = /^\d+$/.test(text) ? Number(text) : 0;
  if (number >= 1 && number <= most) return number;
  const range = most === Infinity ? 'of at least 1' : `from 1 to ${most}`;
  console.error(`${name} must be a whole number ${range}, not "${text}"`);
  process.exit(2);
}
