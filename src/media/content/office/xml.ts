import { setImmediate } from 'node:timers/promises';
import { SaxesParser } from 'saxes';
import { markOf } from '../digest/charset.js';
import { BadZip } from './zip-directory.js';

export interface Element {
  /** Without its prefix, like the attributes. */
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
}

/** Takes a few milliseconds. Then the event loop continues. */
const CHARS_AT_ONCE = 16 * 1024;
/** Two for each entry that a package may have. */
const MAX_ELEMENTS = 20_000;

/** The elements of an XML file in a package, in order. @throws BadZip if it is not well-formed */
export async function elementsOf(bytes: Buffer): Promise<Element[]> {
  try {
    return await parse(bytes);
  } catch (cause) {
    throw new BadZip('The archive is damaged', { cause });
  }
}

async function parse(bytes: Buffer): Promise<Element[]> {
  const text = new TextDecoder(markOf(bytes), { fatal: true }).decode(bytes);
  const parser = new SaxesParser({ position: false });
  const elements: Element[] = [];
  parser.on('error', (error) => {
    throw error;
  });
  parser.on('opentag', ({ name, attributes }) => {
    const pairs = Object.entries(attributes).map(([key, value]) => [localName(key), value] as const);
    if (elements.push({ name: localName(name), attributes: new Map(pairs) }) > MAX_ELEMENTS)
      throw new RangeError(`More than ${MAX_ELEMENTS} elements`);
  });
  for (let at = 0; at < text.length; at += CHARS_AT_ONCE) {
    parser.write(text.slice(at, at + CHARS_AT_ONCE));
    await setImmediate();
  }
  parser.close();
  return elements;
}

function localName(name: string): string {
  return name.slice(name.indexOf(':') + 1);
}
