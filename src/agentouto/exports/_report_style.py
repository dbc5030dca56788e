"""The looks of a report: two themes, and one column that fits a phone.

It stands in the page itself: a report is one file, and its policy allows styles from nowhere else.
``--ao-*`` are the colours of the pictures, which have their own for the light theme.
"""

from __future__ import annotations

REPORT_STYLE = """
:root{--paper:#fff;--ink:#1b2430;--dim:#56606e;--rule:#d8dee7;--box:#f2f5f9;--link:#1a55bd;
--good:#0a6b3f;--bad:#b3261e}
@media (prefers-color-scheme:dark){:root{--paper:#12171e;--ink:#e6ebf2;--dim:#a3aebd;
--rule:#2e3742;--box:#1b222b;--link:#8ab4f8;--good:#6fd19c;--bad:#ff8a80;
--ao-paper:#12171e;--ao-ink:#e6ebf2;--ao-dim:#a3aebd;--ao-rule:#2e3742;--ao-bar:#2a3441;
--ao-edge:#7b8794;--ao-box:#2a3441}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
header,main{max-width:1180px;margin:0 auto;padding:0 20px}
header{padding-top:20px}
h1{font-size:1.5rem;margin:0 0 4px;overflow-wrap:anywhere}
h2{font-size:1.1rem;margin:32px 0 8px;padding-top:8px;border-top:1px solid var(--rule)}
p{margin:6px 0}a{color:var(--link)}
.dim{color:var(--dim)}.good{color:var(--good)}.bad{color:var(--bad)}
.state{display:inline-block;border:1px solid currentColor;border-radius:12px;padding:0 10px}
.note{border-left:4px solid var(--bad);padding:4px 12px;background:var(--box)}
pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:4px 0;font:13px/1.5 ui-monospace,monospace}
.answer{background:var(--box);padding:10px 14px;border-radius:6px}
.picture{overflow-x:auto;margin:8px 0}
.picture svg{display:block}
table{border-collapse:collapse}th,td{text-align:left;padding:3px 14px 3px 0;vertical-align:top}
th{font-weight:600}td.n,th.n{text-align:right}tbody tr{border-top:1px solid var(--rule)}
.scroll{overflow-x:auto}
summary{cursor:pointer;padding:4px 0}
.call{border-top:1px solid var(--rule)}
.call>div{margin:0 0 12px 18px;border-left:2px solid var(--rule);padding-left:14px}
.entry{margin:8px 0}.entry>p{margin:0}
.at{color:var(--dim);font-variant-numeric:tabular-nums;margin-right:8px}
"""
"""Colours have at least 4.5:1 against what is behind them (WCAG 2.2, 1.4.3), in both themes."""
