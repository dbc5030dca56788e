"""A folder to review, with everything odd in it, and what there is to find."""

from __future__ import annotations

import os
from pathlib import Path

PASSAGE = "".join(f"the same sentence number {n} stands in both of these files\n" for n in range(7))
MARKER = "DOTO"[2:] + "DO"  # in one word it would be one of ours
LONG = "a long line " * 15


def make_folder(root: Path) -> Path:
    """Fill ``root / "things"`` and return it."""
    folder = root / "things"
    texts = {
        "README.md": f"# Things\n\nSome words here.\n\n{PASSAGE}",
        "src/one.py": f"x = 1\n# {MARKER}: more\n\n{PASSAGE}y = 2\n",
        "src/two.py": f"{LONG}\nz = 3  # {MARKER}\nno line end",
        "src/deep/three.py": "def three():\n    return 3\n",
        "docs/windows.txt": "one\r\ntwo\r\nthree\r\n",
        "docs/korean.txt": "안녕 세계\n",
        "docs/[odd] name|x.txt": "brackets and a bar\n",
        "data/list.csv": "a,b\n1,2\n",
        "Makefile": "all:\n\techo all\n",
        "empty.txt": "",
    }
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    (folder / "docs/latin.txt").write_bytes("Grüße aus Köln\n".encode("latin-1"))
    (folder / "docs/wide.txt").write_bytes("wide words\nhere\n".encode("utf-16"))
    _add_what_is_left_out(root, folder)
    return folder


def _add_what_is_left_out(root: Path, folder: Path) -> None:
    (root / "outside.txt").write_text("outside secret\n")
    (folder / "link.txt").symlink_to(root / "outside.txt")
    (folder / "away").symlink_to(root, target_is_directory=True)
    (folder / "picture.bin").write_bytes(b"\x89PNG\0\0\1\2")
    (folder / "huge.txt").write_bytes(b"x" * 1_000_001)
    (folder / ".env").write_text("OPENAI_API_KEY=sk-not-to-be-read-by-anyone\n")
    for name in (".git/config", "node_modules/a/b.js", "my-python/pyvenv.cfg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("tools\n")
    os.mkfifo(folder / "pipe")


REVIEWED = {
    "README.md": "utf-8",
    "src/one.py": "utf-8",
    "src/two.py": "utf-8",
    "src/deep/three.py": "utf-8",
    "docs/windows.txt": "utf-8",
    "docs/korean.txt": "utf-8",
    "docs/[odd] name|x.txt": "utf-8",
    "docs/latin.txt": "latin-1",
    "docs/wide.txt": "utf-16",
    "data/list.csv": "utf-8",
    "Makefile": "utf-8",
    "empty.txt": "utf-8",
}
"""The files that are text, and how each is written."""


def recounted(folder: Path) -> dict[str, list[int]]:
    """Return files, lines, words and bytes by type, counted in another way than the tools count."""
    counts: dict[str, list[int]] = {}
    for name, encoding in REVIEWED.items():
        data = (folder / name).read_bytes()
        text = data.decode(encoding)
        figures = [1, len(text.splitlines()), len(text.split()), len(data)]
        kind = Path(name).suffix or "(no ending)"
        for label in (kind, "all"):
            sums = counts.setdefault(label, [0, 0, 0, 0])
            counts[label] = [a + b for a, b in zip(sums, figures, strict=True)]
    return counts
