import { htmlText } from '../../core/text/html-text.ts';
import { sha256 } from '../../crypto/digest.ts';

/** A page for people. It loads nothing, runs nothing, and no other page can lay itself over it. */
export interface Page {
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Text that went through `text`, or that is ours. */
export interface Html {
  readonly html: string;
}

const style = `body{font:16px/1.5 system-ui,sans-serif;max-width:32rem;margin:3rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}
h1{font-size:1.3rem}dl{display:grid;grid-template-columns:max-content 1fr;gap:.3rem 1rem}dt{color:#555}dd{grid-column:2;margin:0;overflow-wrap:anywhere}
label{display:block;margin:1rem 0}input{display:block;width:100%;box-sizing:border-box;font:inherit;padding:.4rem}
button{font:inherit;padding:.4rem 1.2rem;margin:1rem 1rem 0 0}.fault{color:#a00}.note{color:#555;font-size:.9rem}`;
const styleHash = sha256(Buffer.from(style)).toString('base64');

/** `formsTo`: origins that a form's answer may lead to, besides our own: browsers hold redirects to it, too. */
export function page(title: string, content: Html, formsTo: readonly string[] = []): Page {
  const body = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>${text(title).html}</title><style>${style}</style></head>
<body><h1>${text(title).html}</h1>
${content.html}
</body></html>
`;
  return { body, headers: pageHeaders(formsTo) };
}

function pageHeaders(formsTo: readonly string[]): Record<string, string> {
  return {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': [
      `default-src 'none'`,
      `style-src 'sha256-${styleHash}'`,
      `form-action ${["'self'", ...formsTo].join(' ')}`,
      `frame-ancestors 'none'`,
      `base-uri 'none'`,
    ].join('; '),
    'x-frame-options': 'DENY',
    'x-content-type-options': 'nosniff',
    // Without any, browsers would send forms with an Origin that says nothing.
    'referrer-policy': 'same-origin',
    'cache-control': 'no-store',
  };
}

/** Templates in which every value is shown as text, unless it is Html itself. */
export function html(parts: TemplateStringsArray, ...values: readonly (string | Html | readonly Html[])[]): Html {
  const shown = values.map((value) => {
    if (typeof value === 'string') return text(value).html;
    return 'html' in value ? value.html : value.map((each) => each.html).join('\n');
  });
  return { html: parts.map((part, index) => part + (shown[index] ?? '')).join('') };
}

/** Control characters and those that turn the direction of writing must not make one address look like another. */
function text(value: string): Html {
  const plain = value.slice(0, 512).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\ufffd');
  return { html: htmlText(plain) };
}

/** For forms that the library makes. */
export function trusted(markup: string): Html {
  return { html: markup };
}
