"""Skills: named to agents, read on demand, never run; a bad one is named and harms no other."""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path
from typing import Any

import pytest

from agentouto import Agent, ConfigurationError, Provider, Tool, ToolError, run
from agentouto.testing import Script, finish, tool
from agentouto.tools import skills
from agentouto.tools._front_matter import BadFrontMatter, read_front_matter
from growth import is_linear

yaml = pytest.importorskip("yaml")  # a full reader, which judges ours


def put(root: Path, name: str, text: str | None = None, **files: str) -> None:
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    whole = f"---\nname: {name}\ndescription: About {name}.\n---\n\nDo {name}.\n"
    (folder / "SKILL.md").write_text(whole if text is None else text, encoding="utf-8")
    for file, content in files.items():
        (folder / file).write_text(content, encoding="utf-8")


def tool_of(root: Path) -> Tool[..., Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        [only] = skills(root)
    return only


def listed(used: Tool[..., Any]) -> str:
    properties: Any = used.parameters["properties"]
    return str(properties["name"]["description"])


def why(used: Tool[..., Any], *args: str) -> str:
    with pytest.raises(ToolError) as caught:
        used(*args)
    return caught.value.message


# Named, and read ----------------------------------------------------------------------------------


def test_names_and_descriptions_reach_the_model_and_the_text_only_when_asked_for(
    tmp_path: Path,
) -> None:
    put(tmp_path, "tides")
    put(tmp_path, "maps", license="free", data="x")

    def model(seen: Any) -> Any:
        if seen.turn == 0:
            assert "Do tides" not in seen.system
            return tool("read_skill", name="tides")
        return finish(seen.results("read_skill")[0])

    agent = Agent("a", "", "m", Provider("p", kind="script", script=Script(model)))
    tools = skills(tmp_path)
    assert run("Go.", [agent], tools).output == "Do tides."
    [told] = tools
    assert "- maps: About maps.\n- tides: About tides." in listed(told)
    assert "Do tides" not in listed(told) + told.description


def test_no_description_is_longer_than_servers_take(tmp_path: Path) -> None:
    for number in range(50):
        text = f"---\nname: s{number}\ndescription: {'x' * 1_000}\n---\n"
        put(tmp_path, f"s{number}", text)
    used = tool_of(tmp_path)
    assert len(used.description) < 1_024
    assert listed(used).count("x" * 1_000) == 50


def test_the_files_of_a_skill_are_named_and_can_be_read(tmp_path: Path) -> None:
    put(tmp_path, "tides", **{"run.sh": "echo harm", "tables.md": "| 1 |"})
    used = tool_of(tmp_path)
    assert used("tides") == "Do tides.\n\n[Files of this skill: run.sh, tables.md]"
    assert used("tides", "tables.md") == "| 1 |"


def test_scripts_are_texts_and_are_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    put(tmp_path / "s", "tides", **{"run.sh": f"#!/bin/sh\ntouch {mark}\n", "SKILL.py": "1 / 0"})
    for name in ("run.sh", "SKILL.md", "SKILL.py"):
        (tmp_path / "s" / "tides" / name).chmod(0o755)
    body = f"---\nname: evil\ndescription: Evil.\n---\n!`touch {mark}` $(touch {mark})\n"
    put(tmp_path / "s", "evil", body)
    used = tool_of(tmp_path / "s")
    assert used("tides", "run.sh").startswith("#!/bin/sh")
    assert used("evil") == f"!`touch {mark}` $(touch {mark})"
    assert not mark.exists()


def test_a_text_is_read_when_it_is_asked_for(tmp_path: Path) -> None:
    put(tmp_path, "tides")
    used = tool_of(tmp_path)
    put(tmp_path, "tides", "---\nname: tides\ndescription: x\n---\nChanged.")
    assert used("tides") == "Changed."
    (tmp_path / "tides" / "SKILL.md").write_text("no more", encoding="utf-8")
    assert "line 1: it does not begin with ---" in why(used, "tides")
    (tmp_path / "tides" / "SKILL.md").unlink()
    assert "No such file" in why(used, "tides")


@pytest.mark.parametrize(
    "file",
    ["../secret", "../maps/SKILL.md", "link", "out/secret", "/etc/passwd", "a\0b", "pipe", ".", ""],
)
def test_nothing_outside_of_a_skill_is_read(tmp_path: Path, file: str) -> None:
    root = tmp_path / "skills"
    put(root, "tides")
    put(root, "maps")
    (tmp_path / "secret").write_text("secret", encoding="utf-8")
    (root / "secret").write_text("secret", encoding="utf-8")
    (root / "tides" / "link").symlink_to(tmp_path / "secret")
    (root / "tides" / "out").symlink_to(tmp_path)
    os.mkfifo(root / "tides" / "pipe")
    said = why(tool_of(root), "tides", file)
    assert "Do maps" not in said
    assert "root:" not in said


def test_a_skill_that_is_a_link_is_none(tmp_path: Path) -> None:
    put(tmp_path / "away", "far")
    put(tmp_path / "skills", "near")
    (tmp_path / "skills" / "far").symlink_to(tmp_path / "away" / "far")
    assert "there are: near" in why(tool_of(tmp_path / "skills"), "far")


def test_files_have_a_size_that_can_be_read(tmp_path: Path) -> None:
    put(tmp_path, "tides", large="x" * 300_000)
    with (tmp_path / "tides" / "sparse").open("wb") as file:
        file.truncate(10_000_000_000)
    (tmp_path / "tides" / "latin").write_bytes(b"caf\xe9")
    used = tool_of(tmp_path)
    assert "more than 262,144 bytes" in why(used, "tides", "large")
    assert "more than 262,144 bytes" in why(used, "tides", "sparse")
    assert "is not text in UTF-8" in why(used, "tides", "latin")


# Bad ones -----------------------------------------------------------------------------------------

BAD = {
    "no front matter": ("Just text.", "line 1: it does not begin with ---"),
    "empty": ("", "line 1: it does not begin with ---"),
    "no end": ("---\nname: x\ndescription: y\n", "has no end"),
    "a tab": ("---\nname: x\n\tdescription: y\n---\n", "line 3: YAML is not indented with tabs"),
    "no key": ("---\nname: x\nnonsense\n---\n", "line 3: 'nonsense' is no 'key: value'"),
    "no space": ("---\nname:x\ndescription: y\n---\n", "line 2: 'name:x' is no 'key: value'"),
    "a colon": ("---\nname: x\ndescription: Use when: asked\n---\n", "line 3: 'Use when: asked'"),
    "no name": ("---\ndescription: y\n---\n", "name is ''"),
    "no description": ("---\nname: x\n---\n", "description has 0 characters"),
    "an empty description": ("---\nname: x\ndescription:\n---\n", "description has 0 characters"),
    "a bad name": ("---\nname: ../x\ndescription: y\n---\n", "name is '../x'"),
    "a long name": (f"---\nname: {'x' * 65}\ndescription: y\n---\n", "has to be 1 to 64"),
    "much": (f"---\nname: x\ndescription: {'y' * 1_025}\n---\n", "has 1,025 characters"),
    "twice": ("---\nname: x\nname: y\ndescription: z\n---\n", "line 3: 'name' is there twice"),
    "a list": ("---\nname: x\ndescription: [a, b]\n---\n", "line 3: text is expected"),
    "a map": ("---\nname: x\ndescription: {a: b}\n---\n", "line 3: text is expected"),
    "a list below": ("---\nname: x\ndescription:\n- a\n---\n", "line 4: a list is not read here"),
    "an anchor": ("---\nname: x\ndescription: &a y\n---\n", "line 3: an anchor is not read here"),
    "an alias": ("---\nname: x\ndescription: *a\n---\n", "line 3: an alias is not read here"),
    "a tag": (
        "---\nname: x\ndescription: !!python/object/apply:os.system ['touch harm']\n---\n",
        "line 3: a tag is not read here",
    ),
    "open": ('---\nname: x\ndescription: "y\n---\n', "line 3: the quotation has no end"),
    "more": ('---\nname: x\ndescription: "y" z\n---\n', "something follows the end"),
    "a strange escape": ('---\nname: x\ndescription: "\\q"\n---\n', "\\q is not read here"),
    "no character": ('---\nname: x\ndescription: "\\uD800"\n---\n', "is no character"),
    "invisible": ('---\nname: x\ndescription: "a\\u202Eb"\n---\n', "it has to be text"),
    "endless": (f"---\n{'a: b' * 5_000}\n---\n", "front matter has over 16,384 characters"),
}


@pytest.mark.parametrize(("text", "fault"), BAD.values(), ids=list(BAD))
def test_a_bad_skill_is_named_and_the_others_work(tmp_path: Path, text: str, fault: str) -> None:
    put(tmp_path, "bad", text)
    put(tmp_path, "good")
    with pytest.warns(UserWarning, match="skills: bad/SKILL.md: ") as caught:
        [used] = skills(tmp_path)
    assert fault in str(caught[0].message)
    assert "(cannot be read: bad/SKILL.md: " in listed(used)
    assert "- good: About good." in listed(used)
    assert used("good") == "Do good."
    assert "there is no skill 'x'; there are: good" in why(used, "x")
    assert not (tmp_path / "harm").exists()
    assert not Path("harm").exists()


def test_other_faults_are_named_too(tmp_path: Path) -> None:
    put(tmp_path, "good")
    put(tmp_path, "same", "---\nname: good\ndescription: y\n---\n")
    put(tmp_path, "latin")
    (tmp_path / "latin" / "SKILL.md").write_bytes(b"---\nname: x\ndescription: caf\xe9\n---\n")
    (tmp_path / "pipe").mkdir()
    os.mkfifo(tmp_path / "pipe" / "SKILL.md")
    (tmp_path / "other").mkdir()
    (tmp_path / "README.md").touch()
    text = listed(tool_of(tmp_path))
    assert "same/SKILL.md: its name 'good' is that of good" in text
    assert "latin/SKILL.md is not text in UTF-8" in text
    assert "pipe/SKILL.md is a named pipe" in text
    assert "other" not in text
    assert "README" not in text


def test_where_no_skill_is_that_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="skills: there is no folder"):
        skills(tmp_path / "nowhere")
    with pytest.raises(ConfigurationError, match=r"no folder in it has a SKILL\.md"):
        skills(tmp_path)
    put(tmp_path / "one", "skill")
    with pytest.raises(
        ConfigurationError, match="a skill itself, so name the folder that it is in"
    ):
        skills(tmp_path / "one" / "skill")
    put(tmp_path, "bad", "x")
    with (
        pytest.warns(UserWarning, match=r"bad/SKILL\.md: line 1"),
        pytest.raises(ConfigurationError, match=r"bad/SKILL\.md: line 1"),
    ):
        skills(tmp_path)


def test_too_many_skills_are_named(tmp_path: Path) -> None:
    for number in range(201):
        put(tmp_path, f"s{number:03}")
    text = listed(tool_of(tmp_path))
    assert "- s199: " in text
    assert "s200/SKILL.md: it is one too many: at most 200" in text


# The front matter, judged by a full reader --------------------------------------------------------

SOUND = [
    "name: x\ndescription: Plain words, with (brackets), 'quotes' and a # in the middle#.",
    "name: x # a comment\ndescription: y",
    "# a comment\nname:   x   \n\n\ndescription: y\n",
    "name: 'it''s'\ndescription: \"tab\\tand \\u00e9 and \\\"quotes\\\"\"",
    "name: \"x\" # a comment\ndescription: 'y' # another",
    "name: x\ndescription: goes\n  on and\n\n  on",
    "name: x\ndescription:\n  below the key\n  in two lines",
    "name: x\ndescription: 'goes\n  on'",
    'name: x\ndescription: "goes\n  on\n\n  and on"',
    "name: x\ndescription: |\n  line one\n  line two: with a colon # and no comment\n",
    "name: x\ndescription: >\n  folded\n  text\n\n  twice\n",
    "name: x\ndescription: >-\n  folded\n  text\n",
    "name: x\ndescription: |-\n    deep\n      deeper\n",
    "name: x\ndescription: >\n  folded\n    more\n  text\n",
    "name: x\nlicense: MIT\nallowed-tools: [a, b]\nmetadata:\n  version: 1\n  a: {b: c}\ndescription: y",
    "name: x\ntags:\n- a\n- b\ndescription: y",
    "\"name\": x\n'description': y",
    "name: x\ndescription: http://example.com/a:b?c=d&e",
    "name: x\ndescription: 회의록 정리",
    "name: x\ndescription: a - b, c [d] {e} & f * g ! h",
    "name: x\ndescription: -y",
    "name: x\r\ndescription: y\r",
]
ODD = [
    "name: x\ndescription: y: z",
    "name: x\ndescription: a\n b: c",
    "name: x\ndescription: a # b\n c",
    "name: x\ndescription: @y",
    "name: x\ndescription: `y`",
    "name: x\ndescription: %y",
    "name: x\ndescription: - y",
    "name: x\ndescription: ? y",
    "name: x\ndescription: , y",
    "name: x\ndescription: ] y",
    "name: x\ndescription: y:",
    "name: x\ndescription: |\n    a\n  b",
    "name: x\ndescription: 'a' 'b'",
    'name: x\ndescription: "a"b',
    'name: x\ndescription: "a"#b',
    "name: x\n description: y",
    "name: x\ndescription: |x\n  y",
    "name: x\ndescription:\n\ty",
    "name: x\ndescription: y\n- z",
    "<<: *base\nname: x\ndescription: y",
]


@pytest.mark.parametrize("text", [*SOUND, *ODD])
def test_what_is_taken_means_what_it_means_to_a_full_reader(text: str) -> None:
    try:
        values = read_front_matter(f"---\n{text}\n---\nbody", ("name", "description")).values
    except BadFrontMatter:
        assert text in ODD
        return
    judge = yaml.safe_load(text)
    ours = {key: " ".join(value.split()) for key, value in values.items()}
    theirs = {key: " ".join(str(judge[key]).split()) for key in ours}
    assert ours == theirs
    assert text in SOUND


def test_random_front_matter_is_refused_or_means_the_same() -> None:
    hypothesis = pytest.importorskip("hypothesis")
    strategies = hypothesis.strategies
    pieces = [
        "a",
        "b:",
        ": ",
        " ",
        "\n",
        "\n  ",
        "#",
        " #",
        "'",
        '"',
        "|",
        ">",
        "-",
        "\\n",
        "[",
        "&",
        "*",
        "!",
        "é",
        "\n\n",
        ",",
    ]

    @hypothesis.settings(max_examples=1_500, deadline=None, database=None, derandomize=True)
    @hypothesis.given(strategies.lists(strategies.sampled_from(pieces), max_size=12).map("".join))
    def same(value: str) -> None:
        text = f"description: {value}\nname: x"
        hypothesis.assume("\n---" not in text)  # the end of the front matter
        hypothesis.assume(not re.search("\n[ab]+:", text))  # passed over unread
        try:
            values = read_front_matter(f"---\n{text}\n---\n", ("name", "description")).values
        except BadFrontMatter:
            return
        judge = yaml.safe_load(text)
        theirs = {key: " ".join(str(judge[key] or "").split()) for key in ("name", "description")}
        assert {key: " ".join(one.split()) for key, one in values.items()} == theirs

    same()


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        ("a: &a [x,x,x,x]\nb: &b [*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b]\nname: *c\n", "x: *c\n"),
        ("name: ", "'"),
        ('name: "', "\\"),
        ("name: ", " "),
        ("name: x\n", "  \n"),
        ("name: ", "["),
        ("name: |\n", " x\n"),
    ],
    ids=range(7),
)
def test_no_front_matter_takes_long(begin: str, piece: str) -> None:
    def work(size: int) -> None:
        said = ""
        try:
            text = f"---\n{begin}{piece * (size // len(piece))}x\n---\n"
            read_front_matter(text, ("name", "description"))
        except BadFrontMatter as error:
            said = str(error)
        assert len(said) < 200

    assert is_linear(work, 8_000)
