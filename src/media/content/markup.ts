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

/** Tags with which Markdown may begin: those of a centered logo, an anchor, a comment for a linter. */
const SOFT = /^<(?:!--|(?:h1|div|font|table|a|b|br|p)[\s>])/i;
/** Tags that Markdown may have only in code. */
const HARD_TAG =
  /<(?:[?%]|(?:!doctype|html|head|body|script|i?frame|frameset|style|title|meta|link|object|embed|form|base|svg|math)[\s/>])/i;
const HANDLER = /[\s/"']on[a-z]+\s*=|["'(=]\s*javascript:/i;
const PDF = /%PDF-\d/;
/** A heading, an item of a list, a fence or a link. */
const MARKDOWN = /^(?:#{1,6} \S|[-*+] \S|```)|\[[^[\]\n]+\]\([^()[\]\s]+\)/m;

/** Whether a text that begins like HTML may be Markdown, as many READMEs are: it has nothing that only pages have. */
export function mayBeMarkdown(text: string): boolean {
  if (!SOFT.test(text.trimStart())) return false;
  const rest = withoutCode(text);
  return ![HARD_TAG, HANDLER, PDF].some((hard) => hard.test(rest));
}

export function hasMarkdown(text: string): boolean {
  return MARKDOWN.test(withoutComments(text));
}

/** A fence that is not closed reaches to the end. */
function withoutCode(text: string): string {
  const outside = text.split('```').filter((_, i) => i % 2 === 0);
  return outside.join('\n').replace(/`[^`\n]*`/g, '');
}

function withoutComments(text: string): string {
  const [before = '', ...comments] = text.split('<!--');
  return before + comments.map((comment) => comment.split('-->').slice(1).join('')).join('');
}
