// @ts-check
import { cellOf, isTaken, isWhole, partOf } from './world.js';

/** @typedef {import('./world.js').World} World */

/** The first invariant that does not hold. @param {World} world */
export function violation(world) {
  if (world.fault) return world.fault;
  if (world.media.length > 1) return 'one upload has two media';
  if (world.row.state === 'complete') return wrongMedia(world);
  if (world.media.length > 0) return `there is a media of an upload that is ${world.row.state}`;
  if (world.row.state !== 'open') return undefined;
  const faults = world.promised.map((_, unit) => wrongUnit(world, unit));
  return faults.find(Boolean);
}

/**
 * What counts is there and durable; what was acknowledged counts, or lies in the tail.
 * @param {World} world @param {number} unit
 */
function wrongUnit(world, unit) {
  const { row, parts } = world;
  const content = world.promised[unit] ?? null;
  const tail = unit === row.offset ? row.tail : null;
  if (unit >= row.offset && content === null) return undefined;
  if (unit >= row.offset && !tail)
    return `unit ${unit} was acknowledged, and lies past the offset ${row.offset}`;
  const part = tail ? tail.part : partOf(parts, unit);
  if (isTaken(world, part, unit)) return undefined;
  const cell = cellOf(world, part, unit);
  return isCell(cell, content) ? undefined : `unit ${unit} should be ${content ?? 'there'}: ${read(cell)}`;
}

/**
 * Whole, durable, and that content if one was acknowledged.
 * @param {string} cell @param {string | null} content
 */
function isCell(cell, content) {
  return content === null ? isWhole(cell) && !cell.endsWith('~') : cell === content;
}

/** @param {World} world */
function wrongMedia(world) {
  const [media] = world.media;
  if (!media) return 'a complete upload has no media';
  const { seen, disk } = media.file === null ? world.key : { seen: media.file, disk: media.file };
  const now = wrongFile(world, seen, media);
  const later = wrongFile(world, disk, media);
  return now ?? (later && `${later}, after a power cut`);
}

/** @param {World} world @param {number | null} name @param {World['media'][0]} media */
function wrongFile({ files, promised }, name, { file: key, form }) {
  const file = name === null ? undefined : files[name];
  if (!file || (key !== null && !file.named)) return 'the file of the media is missing';
  if (file.form !== form) return 'the file of the media is that of another version';
  const wrong = promised.findIndex((content, unit) => content !== null && file.cells[unit] !== content);
  return wrong < 0 ? undefined : `the media has as unit ${wrong}: ${read(file.cells[wrong] ?? '')}`;
}

/** @param {string} cell */
function read(cell) {
  if (cell === '') return 'nothing there';
  return cell.endsWith('~') ? `${cell.charAt(0)}, not durable` : cell;
}
