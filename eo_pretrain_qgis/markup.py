"""Text for XML, QML and HTML: what means something there is escaped, what may not stand there is replaced; and how all our pages look."""

from __future__ import annotations

import re
from html import escape

#: Characters that nobody sees and that turn round the text behind them: embeddings, overrides and isolates (Unicode Standard Annex 9, section 2).
#: A name with one makes a page or a list read as something else.
TURNING = "\u202a-\u202e\u2066-\u2069"
#: These, and what XML 1.0 forbids, also as a reference: control characters, halves of surrogate pairs, and two that are no characters.
_FORBIDDEN = re.compile(f"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff{TURNING}]")
REPLACEMENT = "\ufffd"


def writable(text: str) -> str:
    """The text with “\ufffd” in place of what neither XML nor UTF-8 can hold, and of what turns text round.

    So two names do not become one unseen.
    """
    return _FORBIDDEN.sub(REPLACEMENT, text)


def escaped(text: str, quote: bool = True) -> str:
    """Text as it stands between tags or, with quotes escaped, in an attribute of XML and HTML."""
    return escape(writable(text), quote)


#: Of every page, on a screen and printed on A4. Nothing is loaded from anywhere. Colours are printed, for they mean classes.
PAGE_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1c2733; background: #fff;
  overflow-wrap: break-word;
  print-color-adjust: exact; -webkit-print-color-adjust: exact; }
h1 { font-size: 1.6rem; line-height: 1.25; margin-bottom: .4rem; } .lead { font-size: 1.1rem; margin-top: 0; }
h2 { font-size: 1.15rem; margin-top: 2rem; border-bottom: 1px solid #d5dce3; }
table { border-collapse: collapse; margin: .6rem 0; } th, td { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid #e6ebf0; }
th:first-child, td:first-child { text-align: left; } th { color: #51606f; font-weight: 600; } td { overflow-wrap: anywhere; }
table.facts td { text-align: left; vertical-align: top; } table.facts td:first-child { color: #51606f;
  overflow-wrap: break-word; min-width: 10rem; max-width: 24rem; }
img, svg { max-width: 100%; height: auto; } .chip { display: inline-block; width: .9em; height: .9em; margin: 0 .35em 0 .8em; }
.chip, td.shaded { border: 1px solid #d5dce3; } .wide { overflow-x: auto; } li { overflow-wrap: anywhere; white-space: pre-wrap; }
.beside::after { content: ""; display: block; clear: both; } .beside > svg { float: right; margin: .4rem 0 .4rem 1.2rem; }
.caution { border: 2px solid #b45309; background: #fff7ed; padding: .2rem 1rem; margin: .8rem 0; } .caution p { margin: .5rem 0; }
details { margin-top: 2rem; } summary { color: #51606f; cursor: pointer; }
.good { color: #1a7f37; } .bad { color: #b42318; }
footer { margin-top: 2.5rem; border-top: 1px solid #d5dce3; color: #51606f; font-size: .85rem; }
@page { size: A4; margin: 16mm 15mm; }
@media print {
  body { font-size: 10pt; max-width: none; margin: 0; padding: 0; } h1 { font-size: 17pt; } h2 { font-size: 12pt; margin-top: 14pt; }
  h1, h2 { break-after: avoid; } figure, img, svg, tr { break-inside: avoid; } thead { display: table-header-group; }
  th, td { padding: .1rem .4rem; } .wide { overflow: visible; font-size: 8pt; break-inside: avoid; }
  details:not([open]) { display: none; }
  figure svg { max-height: 150mm; } p, li { orphans: 3; widows: 3; }
}
"""


def page_of(title: str, body: str, foot: str = "") -> str:
    """A whole page that needs nothing else.

    Args:
        title: in words, not yet escaped.
        body: HTML under the title.
        foot: words at its end, not yet escaped.
    """
    footer = f"<footer><p>{escaped(foot)}</p></footer>\n" if foot else ""
    return (f"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{escaped(title)}</title><style>{PAGE_STYLE}</style></head>\n"
            f"<body><h1>{escaped(title)}</h1>\n{body}\n{footer}</body></html>\n")
