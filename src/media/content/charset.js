import chardet from 'chardet';

/** Controls that texts do not have. They do have bell, backspace, white space, substitute (the old end of file) and escape. */
// eslint-disable-next-line no-control-regex
const CONTROLS = /[\0-\x06\x0e-\x19\x1c-\x1f\x7f]/g;
/** Chat logs colour their lines with others. */
const MOST_CONTROLS = 0.1;
/** What the guesser says of bytes that merely could be of a charset, in percent. */
const UNSURE = 10;
/** Letters of a script that the guesser does not know, among spaces, digits and line ends. */
const MOST_UNKNOWN = 0.9;
const SAMPLE_BYTES = 16 * 1024;

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

  /** A character that is not whole is none. */
  end() {
    this.unicode?.end();
  }

  /** Whether all bytes so far may be text. */
  get isText() {
    return this.unicode?.isText === true || this.eightBit.isText;
  }

  /** A name of the WHATWG Encoding Standard; null for what is no text. @returns {string | null} */
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

/** A charset in which few other bytes are valid. */
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
      this.isText = !text.includes('\0') && this.controls <= this.length * MOST_CONTROLS;
    } catch {
      this.isText = false;
    }
  }
}

/** One of the many charsets in which any bytes are valid. */
class EightBit {
  isText = true;
  /** Where the first bytes stand that are not ASCII. */
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
   * Windows-1252 where letters that are not ASCII stand alone, as in Western Europe: the guesser errs there. Where they form
   * words it knows the script: of one byte a letter by the words, of more by all. What it does not know has some ASCII.
   * @returns {string | null}
   */
  get charset() {
    const text = this.sample.toString('latin1');
    const words = text.match(/[\x80-\xff]{3,}/g) ?? [];
    const letters = text.match(/[\x80-\xff]/g) ?? [];
    // No language has þ behind ÿ; with a byte order mark in the middle, another file begins.
    if (words.join('').length * 2 <= letters.length) return text.includes('ÿþ') ? null : 'windows-1252';
    const [guess] = [text, words.join(' ')]
      .flatMap((sample) => chardet.analyse(Buffer.from(sample, 'latin1')))
      .filter(({ confidence }) => confidence > UNSURE)
      .sort((a, b) => b.confidence - a.confidence);
    if (!guess && letters.length > text.length * MOST_UNKNOWN) return null;
    return nameOf(guess?.name) ?? 'windows-1252';
  }
}

/** @param {string | undefined} label */
function nameOf(label) {
  try {
    return label === undefined ? undefined : new TextDecoder(label).encoding;
  } catch {
    return undefined;
  }
}
