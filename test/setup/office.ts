import { noise } from './samples.js';
import { zip, type ZipEntry } from './zip.js';

const XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n';
const OFFICE = 'application/vnd.openxmlformats-officedocument';

const MAIN = {
  docx: ['word/document.xml', `${OFFICE}.wordprocessingml.document.main+xml`],
  xlsx: ['xl/workbook.xml', `${OFFICE}.spreadsheetml.sheet.main+xml`],
  pptx: ['ppt/presentation.xml', `${OFFICE}.presentationml.presentation.main+xml`],
} as const;

/** The parts of an Office Open XML file. */
export function openXml(
  kind: keyof typeof MAIN,
  override = '',
  main: { part?: string; type?: string } = {},
): ZipEntry[] {
  const { part = MAIN[kind][0], type = MAIN[kind][1] } = main;
  const types =
    `${XML}<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">` +
    `<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>` +
    `<Override PartName="/${part}" ContentType="${type}"/>${override}</Types>`;
  const rels =
    `${XML}<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" ` +
    `Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="${part}"/></Relationships>`;
  return [
    { name: '[Content_Types].xml', data: types },
    { name: '_rels/.rels', data: rels },
    { name: part, data: `${XML}<document/>` },
  ];
}

/** More than a chunk of what does not pack, so that the first chunk has neither all entries nor the directory. */
export function media(folder: string, length: number): ZipEntry {
  return { name: `${folder}/media/image1.png`, data: noise(length, 'media'), stored: true };
}

/** @param listed what the manifest has in it */
export function openDocument(kind: string, more: readonly ZipEntry[] = [], listed = ''): ZipEntry[] {
  return [
    { name: 'mimetype', data: `application/vnd.oasis.opendocument.${kind}`, stored: true },
    { name: 'content.xml', data: `${XML}<office:document-content/>` },
    ...more,
    { name: 'META-INF/manifest.xml', data: `${XML}<manifest:manifest>${listed}</manifest:manifest>` },
  ];
}

export const docx = (more: readonly ZipEntry[] = []) => zip([...openXml('docx'), ...more]);
export const xlsx = (more: readonly ZipEntry[] = []) => zip([...openXml('xlsx'), ...more]);
export const pptx = (more: readonly ZipEntry[] = []) => zip([...openXml('pptx'), ...more]);
export const odt = (more: readonly ZipEntry[] = []) => zip(openDocument('text', more));
