import type { FileHandle } from 'node:fs/promises';
import { accepted, refused, WITH_MACROS, WITH_PASSWORD, type Accepted, type Refused } from '../verdict.js';
import { elementsOf, type Element } from './xml.js';
import { readEntry, type ZipEntry } from './zip-directory.js';

/** Documents and templates. */
const TYPE = /^(application\/vnd\.oasis\.opendocument\.(?:text|spreadsheet|presentation))(?:-template)?$/;

export const MANIFEST = 'meta-inf/manifest.xml';
const MAX_MIMETYPE_BYTES = 255;
const MAX_MANIFEST_BYTES = 2 * 1024 * 1024;

/** Identifies an OpenDocument package: a document without macros, or refused. @see OpenDocument 1.3, part 2 */
export async function openDocument(
  file: FileHandle,
  entries: ReadonlyMap<string, ZipEntry>,
): Promise<Accepted | Refused> {
  const [mimetype, manifest] = [entries.get('mimetype'), entries.get(MANIFEST)];
  const listed = manifest ? await elementsOf(await readEntry(file, manifest, MAX_MANIFEST_BYTES)) : [];
  const mime = mimetype
    ? (await readEntry(file, mimetype, MAX_MIMETYPE_BYTES)).toString('latin1')
    : rootType(listed);
  const verdict = openDocumentType(mime);
  if (verdict.kind === 'refused') return verdict;
  const isEncrypted = listed.some(({ name }) => name === 'encryption-data');
  if (isEncrypted) return refused(verdict.type.mime, WITH_PASSWORD);
  return [...entries.keys()].some(isMacro) ? refused(verdict.type.mime, WITH_MACROS) : verdict;
}

/** By the content of the entry `mimetype`. */
export function openDocumentType(mimetype: string): Accepted | Refused {
  const mime = mimetype.trim();
  const plain = TYPE.exec(mime)?.[1];
  if (plain !== undefined) return accepted(plain);
  // The response contains this text.
  return refused(/^[a-z]+\/[\w.+-]{1,100}$/i.test(mime) ? mime : 'application/zip');
}

/** LibreOffice identifies a package without `mimetype` by its manifest. */
function rootType(manifest: readonly Element[]): string {
  const root = manifest.find(({ attributes }) => attributes.get('full-path') === '/');
  return root?.attributes.get('media-type') ?? '';
}

/** A module or script of the document or of an object in it. Lists of modules may be empty. */
function isMacro(name: string): boolean {
  return /^(?:[^/]+\/)?(?:basic|scripts)\/./.test(name) && !/(?:\/|\/script-l[bc]\.xml)$/.test(name);
}
