"""Shows runs outside of this package: pictures, diagrams, JSON lines and reports.

Every function takes a run as a ``RunResult``, a ``Handle``, a file of JSON lines, or the lines
themselves. Of a run that was cut off or still goes on it gives what there is, and says so.
"""

from agentouto.exports._report import to_html
from agentouto.exports._save import EXPORT_FORMS, save
from agentouto.exports._sources import RunSource
from agentouto.exports._texts import to_jsonl, to_mermaid, to_svg
from agentouto.exports._watch import watch

__all__ = [
    "EXPORT_FORMS",
    "RunSource",
    "save",
    "to_html",
    "to_jsonl",
    "to_mermaid",
    "to_svg",
    "watch",
]
