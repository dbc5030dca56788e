"""The frame and the looks of SVG pictures.

Colours are CSS variables with defaults, so that a page can set them for a dark theme. Words and
shapes carry the meaning; colours only add to it.
"""

from __future__ import annotations

from collections.abc import Iterable

from agentouto._core.pictures.picture_text import xml_text

_STYLE = """
.ao{font:12px system-ui,-apple-system,"Segoe UI",sans-serif}
.ao .paper{fill:var(--ao-paper,#fff)}.ao text{fill:var(--ao-ink,#1b2430)}
.ao .dim{fill:var(--ao-dim,#56606e)}.ao .b{font-weight:600}
.ao .halo{paint-order:stroke;stroke:var(--ao-paper,#fff);stroke-width:3px;stroke-linejoin:round}
.ao .life,.ao .tick{stroke:var(--ao-rule,#d8dee7);stroke-width:1}.ao .life{stroke-dasharray:2 3}
.ao .bar{fill:var(--ao-bar,#e6ebf2);stroke:var(--ao-edge,#98a3b3)}
.ao .open{stroke-dasharray:3 2}
.ao .m path{fill:none;stroke-width:1.6}.ao .m .tip{stroke:none}
.ao .forward path{stroke:#1d5fd0}.ao .forward .tip{fill:#1d5fd0}
.ao .ask path,.ao .message path{stroke:#8a5000}.ao .ask .tip,.ao .message .tip{fill:#8a5000}
.ao .return path{stroke:#0a7a48;stroke-dasharray:6 3}.ao .return .tip{fill:#0a7a48}
.ao .error path{stroke:#c0392b;stroke-dasharray:6 3}.ao .error .tip{fill:#c0392b}
.ao .message path,.ao .background path{stroke-dasharray:2 3}
.ao .box{fill:var(--ao-box,#dbe2ec)}.ao .peer{fill:var(--ao-edge,#98a3b3)}
.ao .model{fill:#3f7fe0}.ao .writing{fill:#8b4fd0}.ao .tool{fill:#12806a}.ao .person{fill:#a05f00}
.ao .rate-limit{fill:#d03a2c}.ao .queue{fill:#e58a2c}.ao .mail{fill:#7b8794}
.ao .engine{fill:var(--ao-box,#dbe2ec)}
.ao .hot{fill:none;stroke:var(--ao-ink,#1b2430);stroke-width:1.6}
"""


def svg_document(width: float, height: float, label: str, parts: Iterable[str]) -> str:
    """Return an SVG picture of this size; ``label`` is what a screen reader reads."""
    style = _STYLE.replace("\n", "")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="ao" role="img" '
        f'aria-label="{xml_text(label)}" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}"><style>{style}</style>'
        f'<rect class="paper" width="{width:g}" height="{height:g}"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def svg_text(x: float, y: float, text: str, class_: str = "", anchor: str = "start") -> str:
    """Return a text that begins, ends or has its middle at ``x``."""
    looks = f' class="{class_}"' if class_ else ""
    aligned = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text x="{x:.4g}" y="{y:.5g}"{looks}{aligned}>{xml_text(text)}</text>'


def svg_rect(x: float, y: float, width: float, height: float, class_: str, inside: str = "") -> str:
    """Return a rectangle; ``inside`` is markup, such as its title."""
    begin = (
        f'<rect class="{class_}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    )
    return f'{begin} rx="2">{inside}</rect>' if inside else f'{begin} rx="2"/>'
