import chardet from 'chardet';

/** Control characters that texts do not have. They may have bell to carriage return, substitute and escape. */
// eslint-disable-next-line no-control-regex
const CONTROLS = /[\0-\x06\x0e-\x19\x1c-\x1f\x7f]/g;
/** Maximum share of such characters in Unicode text: chat logs have some for colors. */
const MAX_CONTROLS = 0.1;
/** Confidence of chardet, in percent, for bytes that are merely valid in a charset. */
const UNSURE = 10;
/** Its minimum confidence for the right charset if the bytes may be East Asian. */
const SURE = 50;
/** Maximum share of non-ASCII bytes in a text of a script that chardet does not know: it has spaces and line ends. */
const MAX_UNKNOWN = 0.9;
const SAMPLE_BYTES = 16 * 1024;
/** chardet takes a millisecond for 1.6 kB. */
const SMALL_SAMPLE = 4 * 1024;

/** The name for an 8-bit charset that cannot be determined (RFC 1428). */
export const UNKNOWN = 'unknown-8bit';

const WESTERN = 'windows-1252';
/** chardet takes texts in one of these for another. */
const LATIN = [WESTERN, 'iso-8859-2', 'windows-1250', 'windows-1254', 'windows-1257'];
/** Undefined in Windows-1252. */
const NOT_WESTERN = /[\x81\x8d\x8f\x90\x9d]/;
/** Rare in Western European texts, which are decoded as Latin-1 here. Central European letters have these bytes. */
const SELDOM_WESTERN = /[\x9c\x9f¡£¥¦¬¯±³¶¹º¼¾¿õûøùìòæØÆ]/;
/** Small letters, as in Größe, ação and één, and some capital ones. East Asian characters with these bytes are rare. */
const WESTERN_RUN = /^(?:[\xdf-\xff]+|Ç[ÃÕ]|ÄÄ|ÖÖ)$/;
const EAST_ASIAN = ['shift_jis', 'gb18030', 'big5', 'euc-jp', 'euc-kr'];

/**
 * Tells whether bytes are text, and in which charset: that of a byte order mark, else UTF-8 if they are valid, else an
 * 8-bit one if they have no controls. JavaScript, since a worker thread loads it without a compiler.
 */
export class CharsetDetector {
  /** @type {Unicode | undefined} */
  unicode;
  eightBit = new EightBit();

  /** @param {Buffer} bytes the next ones */
  update(bytes) {
    this.unicode ??= new Unicode(markOf(bytes));
    this.unicode.update(bytes);
    if (this.unicode.charset === 'utf-8') this.eightBit.update(bytes);
    else this.eightBit.isText = false;
  }

  /** An incomplete character at the end means that it is not Unicode text. */
  end() {
    this.unicode?.end();
  }

  /** Whether all bytes so far may be text. */
  get isText() {
    return this.unicode?.isText === true || this.eightBit.isText;
  }

  /** Whether `charset` is not null, which is often faster to tell. */
  get mayBeText() {
    return this.unicode?.isText === true || (this.eightBit.isText && this.eightBit.mayBeText);
  }

  /** A name of the WHATWG Encoding Standard, or `UNKNOWN`; null if it is not text. @returns {string | null} */
  get charset() {
    if (this.unicode?.isText) return this.unicode.charset;
    return this.eightBit.isText ? this.eightBit.charset : null;
  }
}

/** The charset of a byte order mark, or UTF-8. @param {Buffer} bytes the first ones */
export function markOf(bytes) {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  return bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : 'utf-8';
}

/** A charset in which few sequences of bytes are valid. */
class Unicode {
  isText = true;
  length = 0;
  controls = 0;

  /** @param {'utf-8' | 'utf-16le' | 'utf-16be'} charset */
  constructor(charset) {
    this.charset = charset;
    this.decoder = new TextDecoder(charset, { fatal: true });
  }

  /** @param {Buffer} bytes */
  update(bytes) {
    if (this.isText) this.decode(bytes, true);
  }

  end() {
    if (this.isText) this.decode(new Uint8Array(), false);
  }

  /** @param {Uint8Array} bytes @param {boolean} stream */
  decode(bytes, stream) {
    try {
      const text = this.decoder.decode(bytes, { stream });
      this.length += text.length;
      this.controls += text.match(CONTROLS)?.length ?? 0;
      this.isText = !text.includes('\0') && this.controls <= this.length * MAX_CONTROLS;
    } catch {
      this.isText = false;
    }
  }
}

/** One of the many charsets in which any bytes are valid. */
class EightBit {
  isText = true;
  /** The bytes from the first one on that is not ASCII. */
  sample = Buffer.alloc(0);

  /** @param {Buffer} bytes */
  update(bytes) {
    if (!this.isText) return;
    const text = bytes.toString('latin1');
    this.isText = text.search(CONTROLS) < 0;
    if (this.sample.length > 0) return;
    const start = text.search(/[\x80-\xff]/);
    if (start >= 0) this.sample = Buffer.from(bytes.subarray(start, start + SAMPLE_BYTES));
  }

  /**
   * If non-ASCII letters form words, chardet guesses the script. If they stand alone, the text is Western European.
   * Bytes that are nearly all non-ASCII and that chardet does not recognize are not text.
   * @returns {string | null}
   */
  get charset() {
    const { seen } = this;
    const { text, letters, words, formWords, isCut } = seen;
    if (isCut) return null;
    const guesses = formWords ? guessesOf(text, words.join(' ')) : guessesOf(text.slice(0, SMALL_SAMPLE));
    if (formWords && guesses.length === 0 && letters > text.length * MAX_UNKNOWN) return null;
    const name = bestOf(guesses, this.sample, seen);
    return name === WESTERN && NOT_WESTERN.test(text) ? UNKNOWN : name;
  }

  get mayBeText() {
    const { formWords, isCut } = this.seen;
    return formWords ? this.charset !== null : !isCut;
  }

  get seen() {
    const text = this.sample.toString('latin1');
    const letters = text.match(/[\x80-\xff]/g)?.length ?? 0;
    const words = text.match(/[\x80-\xff]{3,}/g) ?? [];
    const formWords = words.join('').length * 2 > letters;
    // No language has þ after ÿ: this is a byte order mark, with which another file begins.
    const isCut = !formWords && text.includes('ÿþ');
    return { text, letters, words, formWords, isCut };
  }
}

/** @typedef {{ readonly name: string, readonly confidence: number }} Guess */

/** Best guess first. @param {string[]} samples in Latin-1 @returns {Guess[]} */
function guessesOf(...samples) {
  return samples
    .flatMap((sample) => chardet.analyse(Buffer.from(sample, 'latin1')))
    .filter(({ confidence }) => confidence > UNSURE)
    .map(({ name, confidence }) => ({ name: nameOf(name) ?? UNKNOWN, confidence }))
    .sort((a, b) => b.confidence - a.confidence);
}

/** @param {Guess[]} guesses @param {Buffer} sample @param {{ text: string, letters: number, formWords: boolean }} seen */
function bestOf(guesses, sample, { text, letters, formWords }) {
  if (mayBeEastAsian(sample, text, letters)) return eastAsianOf(text, guesses, formWords);
  return formWords ? (guesses[0]?.name ?? WESTERN) : westernOf(sample, text, guesses);
}

/**
 * Whether the bytes are valid in a charset with two bytes per character, and at least half of them come in pairs. A
 * second byte may be ASCII, but ASCII also follows accented letters. In Shift_JIS, where that is common, the first
 * bytes are several different marks of Windows-1252.
 * @param {Buffer} sample @param {string} text @param {number} letters
 */
function mayBeEastAsian(sample, text, letters) {
  const pairs = (text.match(/[\x80-\xff]{2,}/g) ?? []).filter((run) => !WESTERN_RUN.test(run));
  if (pairs.join('').length * 2 >= letters)
    return EAST_ASIAN.some((name) => decoded(sample, name) !== undefined);
  const marks = text.match(/[\x80-\x9f](?=[\x40-\x7e\x80-\xfc])/g) ?? [];
  const areMany = marks.length * 2 >= letters && new Set(marks).size >= 3;
  return areMany && decoded(sample, 'shift_jis') !== undefined;
}

/**
 * Short texts and lists of names could also be of a script with one byte per letter, or Western European.
 * @param {string} text @param {Guess[]} guesses @param {boolean} formWords
 */
function eastAsianOf(text, guesses, formWords) {
  const isScript = formWords && !/[\x80-\x9f]/.test(text);
  const [guess] = guesses.filter(
    ({ name }) => EAST_ASIAN.includes(name) || (isScript && !LATIN.includes(name)),
  );
  return guess && guess.confidence >= SURE ? guess.name : UNKNOWN;
}

/**
 * chardet is unreliable for letters that stand alone. Its guess counts only if there are letters that are rare in
 * Western Europe and that the other charset decodes differently.
 * @param {Buffer} sample @param {string} text @param {Guess[]} guesses
 */
function westernOf(sample, text, guesses) {
  // Icelandic has other accents, too. Without them, the text is Turkish.
  if (/[ÐÝÞðýþ]/.test(text) && !/[ÁÉÍÓÚÆáéíóúæ]/.test(text)) return UNKNOWN;
  const guess = guesses.find(({ name }) => LATIN.includes(name));
  const isOther =
    guess && SELDOM_WESTERN.test(text) && decoded(sample, guess.name) !== decoded(sample, WESTERN);
  return isOther ? UNKNOWN : WESTERN;
}

/**
 * Undefined if the bytes are not valid. The last character may be incomplete.
 * @param {Buffer} sample @param {string} charset
 */
function decoded(sample, charset) {
  try {
    return new TextDecoder(charset, { fatal: true }).decode(sample, { stream: true });
  } catch {
    return undefined;
  }
}

/** Both have the same letters, but browsers show the first one from left to right. */
const HEBREW = { from: 'ISO-8859-8', to: 'windows-1255' };

/** @param {string | undefined} label */
function nameOf(label) {
  if (label === HEBREW.from) return HEBREW.to;
  try {
    return label === undefined ? undefined : new TextDecoder(label).encoding;
  } catch {
    return undefined;
  }
}
