import type { FileHandle } from 'node:fs/promises';
import { BadZip, readDirectory, readEntry, type ZipEntry } from './zip-directory.js';
import { localEntries } from './zip-head.js';
import {
  accepted,
  refused,
  undecided,
  WITH_MACROS,
  type Accepted,
  type Refused,
  type Undecided,
} from './verdict.js';

/** The folder that has the document of an Open XML file: its type, and the type it has with macros. */
const FOLDERS = {
  word: {
    plain: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
    macros: 'application/vnd.ms-word.document.macroenabled.12',
  },
  xl: {
    plain: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
    macros: 'application/vnd.ms-excel.sheet.macroenabled.12',
  },
  ppt: {
    plain: 'application/vnd.openxmlformats-officedocument.presentationml.presentation',
    macros: 'application/vnd.ms-powerpoint.presentation.macroenabled.12',
  },
};

const OPEN_DOCUMENT = /^application\/vnd\.oasis\.opendocument\.(text|spreadsheet|presentation)$/;

const PACKAGES = [
  ...Object.values(FOLDERS).map(({ plain }) => plain),
  'application/vnd.oasis.opendocument.text',
  'application/vnd.oasis.opendocument.spreadsheet',
  'application/vnd.oasis.opendocument.presentation',
];

/** What Office programs put at the root of a ZIP. A photo album has other names. */
const ROOTS =
  /^(\[content_types\]\.xml|_rels|docprops|docmetadata|customxml|customui|_xmlsignatures|\[trash\]|word|xl|ppt|mimetype|meta-inf|content\.xml|styles\.xml|meta\.xml|settings\.xml|manifest\.rdf|layout-cache|thumbnails|pictures|media|fonts|configurations2|object[^/]*|basic|dialogs|scripts)(\/|$)/;

/** Entries of other things that are ZIPs. */
const STRANGERS: Readonly<Record<string, string>> = {
  'meta-inf/manifest.mf': 'application/java-archive',
  'androidmanifest.xml': 'application/vnd.android.package-archive',
  'classes.dex': 'application/vnd.android.package-archive',
};

const CONTENT_TYPES = '[content_types].xml';
/** A part takes about a hundred bytes in there. */
const MOST_CONTENT_TYPES_BYTES = 2 * 1024 * 1024;
const MOST_MIMETYPE_BYTES = 255;

/**
 * What a ZIP may become, by the entries at its start. They end the upload of what is plainly no Office file; what is
 * one, only the directory at the end of the file can tell.
 */
export function sniffPackage(head: Buffer): Accepted | Refused | Undecided {
  let first = true;
  for (const { name, content } of localEntries(head)) {
    const entry = name.toLowerCase();
    if (STRANGERS[entry] !== undefined) return refused(STRANGERS[entry]);
    if (entry === 'mimetype' && content.length > 0) return openDocument(content);
    const folder = folderOf(entry);
    if (folder !== undefined) return accepted(FOLDERS[folder].plain);
    if (first && !ROOTS.test(entry)) return refused('application/zip');
    first = false;
  }
  return undecided(PACKAGES, 'application/zip');
}

/** What a ZIP is: an Open XML or OpenDocument file without macros, or refused. */
export async function packageType(file: FileHandle, total: number): Promise<Accepted | Refused> {
  try {
    const entries = await readDirectory(file, total);
    return await decide(file, new Map(entries.map((entry) => [entry.name, entry])));
  } catch (error) {
    if (error instanceof BadZip) return refused('application/zip', error.message);
    throw error;
  }
}

async function decide(file: FileHandle, entries: ReadonlyMap<string, ZipEntry>): Promise<Accepted | Refused> {
  const stranger = Object.keys(STRANGERS).find((name) => entries.has(name));
  if (stranger !== undefined) return refused(STRANGERS[stranger] ?? null);
  const mimetype = entries.get('mimetype');
  const contentTypes = entries.get(CONTENT_TYPES);
  if (mimetype && !contentTypes) return openDocument(await readEntry(file, mimetype, MOST_MIMETYPE_BYTES));
  if (mimetype || !contentTypes) return refused('application/zip');
  return await openXml(file, [...entries.keys()], contentTypes);
}

function openDocument(mimetype: Buffer): Accepted | Refused {
  const mime = mimetype.toString('latin1').trim();
  if (OPEN_DOCUMENT.test(mime)) return accepted(mime);
  // What is written there goes into the answer.
  return refused(/^[a-z]+\/[\w.+-]{1,100}$/i.test(mime) ? mime : 'application/zip');
}

async function openXml(
  file: FileHandle,
  names: readonly string[],
  contentTypes: ZipEntry,
): Promise<Accepted | Refused> {
  const [folder, another] = new Set(names.map(folderOf).filter((name) => name !== undefined));
  if (folder === undefined) return refused('application/zip');
  if (another !== undefined) return refused('application/zip', 'The archive holds two documents at once');
  const { plain, macros } = FOLDERS[folder];
  if (names.some((name) => name.endsWith('vbaproject.bin'))) return refused(macros, WITH_MACROS);
  // A renamed project is still declared as one. In UTF-16 every other byte is 0.
  const declared = (await readEntry(file, contentTypes, MOST_CONTENT_TYPES_BYTES)).toString('latin1');
  return /macroenabled|vbaproject/i.test(declared.replaceAll('\0', ''))
    ? refused(macros, WITH_MACROS)
    : accepted(plain);
}

function folderOf(name: string): keyof typeof FOLDERS | undefined {
  return /^(word|xl|ppt)\//.exec(name)?.[1] as keyof typeof FOLDERS | undefined;
}
