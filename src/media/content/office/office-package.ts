import type { FileHandle } from 'node:fs/promises';
import { MANIFEST, openDocument, openDocumentType } from './open-document.js';
import { CONTENT_TYPES, folderOf, FOLDERS, openXml } from './open-xml.js';
import { BadZip, readDirectory, type ZipEntry } from './zip-directory.js';
import { localEntries } from './zip-head.js';
import { accepted, refused, undecided, type Accepted, type Refused, type Undecided } from '../verdict.js';

const PACKAGES = [
  ...Object.values(FOLDERS).map(({ plain }) => plain),
  'application/vnd.oasis.opendocument.text',
  'application/vnd.oasis.opendocument.spreadsheet',
  'application/vnd.oasis.opendocument.presentation',
];

/** Folders in which Office programs store what is not XML. Other archives use other names. */
const USUAL =
  /^(?:_rels|docprops|docmetadata|customxml|customui|_xmlsignatures|\[trash\]|word|xl|ppt|meta-inf|layout-cache|thumbnails|pictures|media|fonts|configurations2|object [^/]*|basic|dialogs|scripts)\/|^(?:mimetype|manifest\.rdf)$/;

/** Entries of other formats based on ZIP. */
const STRANGERS: Readonly<Record<string, string>> = {
  'meta-inf/manifest.mf': 'application/java-archive',
  'androidmanifest.xml': 'application/vnd.android.package-archive',
  'classes.dex': 'application/vnd.android.package-archive',
};

/**
 * What a ZIP may be, by the entries at its start. They can exclude Office files early, but only the directory at the
 * end of the file can confirm one.
 */
export function sniffPackage(head: Buffer): Accepted | Refused | Undecided {
  let isUsual = false;
  for (const { name, content } of localEntries(head)) {
    if (STRANGERS[name] !== undefined) return refused(STRANGERS[name]);
    if (name === 'mimetype' && content.length > 0) return openDocumentType(content.toString('latin1'));
    const folder = folderOf(name);
    if (folder !== undefined) return accepted(FOLDERS[folder].plain);
    isUsual ||= USUAL.test(name) || /\.(?:xml|rels)$/.test(name);
  }
  // The head does not contain the whole name of the entry.
  if (isUsual || localEntries(head).next().done) return undecided(PACKAGES, 'application/zip');
  return refused('application/zip');
}

/** Identifies a ZIP: an Open XML or OpenDocument file without macros, or refused. */
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
  const [isOpenXml, isOpenDocument] = [entries.has(CONTENT_TYPES), entries.has('mimetype')];
  if (isOpenXml) return isOpenDocument ? refused('application/zip') : await openXml(file, entries);
  return isOpenDocument || entries.has(MANIFEST)
    ? await openDocument(file, entries)
    : refused('application/zip');
}
