/** EXIF orientation, 1 to 8; 1 is upright. @see https://www.cipa.jp/std/documents/e/DC-008-2012_E.pdf 4.6.4 */
export type Orientation = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

/** How to make a picture upright: rotate it clockwise, then mirror it horizontally. */
interface Turn {
  readonly degrees: 0 | 90 | 180 | 270;
  readonly flop: boolean;
}

export const TURNS: Readonly<Record<Orientation, Turn>> = {
  1: { degrees: 0, flop: false },
  2: { degrees: 0, flop: true },
  3: { degrees: 180, flop: false },
  4: { degrees: 180, flop: true },
  5: { degrees: 270, flop: true },
  6: { degrees: 90, flop: false },
  7: { degrees: 90, flop: true },
  8: { degrees: 270, flop: false },
};

const ORIENTATION_TAG = 0x0112;

/** The orientation in an EXIF block; 1 if there is no valid one. */
export function orientationOf(exif: Buffer | undefined): Orientation {
  try {
    return (exif && readOrientation(exif)) ?? 1;
  } catch {
    // An offset points past the end.
    return 1;
  }
}

/** Formats have different headers before the TIFF structure, which starts with its byte order. */
function readOrientation(exif: Buffer): Orientation | undefined {
  const head = exif.subarray(0, 24);
  const start = Math.max(head.indexOf('II*\0', 0, 'latin1'), head.indexOf('MM\0*', 0, 'latin1'));
  if (start < 0) return undefined;
  const tiff = exif.subarray(start);
  const little = tiff[0] === 0x49;
  const short = (at: number) => (little ? tiff.readUInt16LE(at) : tiff.readUInt16BE(at));
  const directory = little ? tiff.readUInt32LE(4) : tiff.readUInt32BE(4);
  for (let entry = 0; entry < short(directory); entry++) {
    const at = directory + 2 + entry * 12;
    if (short(at) === ORIENTATION_TAG) return asOrientation(short(at + 8));
  }
  return undefined;
}

function asOrientation(value: number): Orientation | undefined {
  return value >= 1 && value <= 8 ? (value as Orientation) : undefined;
}
