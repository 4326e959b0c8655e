/**
 * The tags by which browsers detect HTML:
 * https://mimesniff.spec.whatwg.org/#identifying-a-resource-with-an-unknown-mime-type
 */
const HTML =
  /^<(?:!--|(?:!doctype html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p)[\s>])/i;
const XML = /^<(?:\?xml|!doctype|(?:[\w.-]{1,64}:)?svg[\s/>])/i;
const PROGRAM = /^<[?%]/;
/** A script after nothing but tags. No chat log or Markdown begins like that. */
const SCRIPT = /<script|[\s/"']on[a-z]+\s*=/i;

/** The media type of a text that begins like HTML, XML, SVG or a server-side script; otherwise undefined. */
export function markupOf(text: string): string | undefined {
  // A byte order mark counts as white space here.
  const start = text.trimStart().slice(0, 1024);
  if (HTML.test(start)) return 'text/html';
  if (XML.test(start)) return /[<:]svg[\s/>]/i.test(start) ? 'image/svg+xml' : 'application/xml';
  if (PROGRAM.test(start)) return 'application/x-httpd-php';
  const [tags] = /^(?:<[^<>]*>\s*)*(?:<[^<>]*)?/.exec(start) ?? [''];
  return SCRIPT.test(tags) ? 'text/html' : undefined;
}
