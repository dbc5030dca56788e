"""Plays the models of ``team.py``: reads the commit for real, and judges it by a few patterns."""

import re
from collections.abc import Mapping
from pathlib import Path

from agentouto.testing import Request, Script, ScriptedReply, call, finish, tool

FAULTS = {
    r"except( Exception)?:": "catches every error, and may hide one",
    r"def \w+\(.*= ?(\[\]|\{\})": "shares its default between all calls",
}
WAYS_IN = {
    r"shell=True": "runs what it is given in a shell",
    r"\beval\(": "runs what it is given as Python",
}


def findings(commit: str, patterns: Mapping[str, str]) -> list[str]:
    """Return a line for each added line of a commit that fits a pattern."""
    found: list[str] = []
    file, number = "", 0
    for line in commit.splitlines():
        if line.startswith("+++ "):
            file = line.removeprefix("+++ ").removeprefix("b/").strip()
        elif hunk := re.match(r"@@ -\S+ \+(\d+)", line):
            number = int(hunk[1])
        elif not line.startswith("-"):
            said = [what for pattern, what in patterns.items() if re.search(pattern, line)]
            found += [f"{file}:{number} {what}" for what in said if line.startswith("+")]
            number += 1
    return found


def script(repository: Path) -> Script:
    """Return a script that reviews the last commit of a repository."""
    path = str(repository)

    def look(seen: Request) -> ScriptedReply:
        return tool("git_show", repo_path=path, revision=seen.last.split()[-1])

    def ask_all(seen: Request) -> ScriptedReply:
        newest = seen.results("git_log")[0].split("Commit: ")[1].split()[0]
        return [call(name, f"Review {newest}") for name in ("correctness", "tests", "security")]

    def ask_tests(seen: Request) -> ScriptedReply:
        return call("tests", f"Would its faults be seen? {seen.heard[0]}")

    def report_faults(seen: Request) -> ScriptedReply:
        faults = findings(seen.results("git_show")[0], FAULTS)
        noticed = seen.answers("tests")[0]
        return finish("\n".join(f"{one}; {noticed}" for one in faults) or "no fault was found")

    def report_tests(seen: Request) -> ScriptedReply:
        tested = re.search(r"^\+\+\+ .*test", seen.results("git_show")[0], re.MULTILINE)
        return finish("its tests changed with it" if tested else "no test changed with it")

    def report_ways_in(seen: Request) -> ScriptedReply:
        ways_in = findings(seen.results("git_show")[0], WAYS_IN)
        return finish("\n".join(ways_in) or "no way in was found")

    def report(seen: Request) -> ScriptedReply:
        said = [*seen.answers("security"), *seen.answers("correctness"), *seen.answers("tests")]
        return finish("\n".join(said))

    return Script(
        {
            "editor": [tool("git_log", repo_path=path, max_count=1), ask_all, report],
            "correctness": [look, ask_tests, report_faults],
            "tests": [look, report_tests],
            "security": [look, report_ways_in],
        }
    )
