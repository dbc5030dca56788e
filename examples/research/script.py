"""Plays the models of ``research.py``: one of them quotes from memory first, and is refused."""

from agentouto.testing import Request, Script, ScriptedReply, call, finish, tool

CRANE = {
    "statement": "Only the south quay has a crane.",
    "source": "harbour-office.md",
    "quote": "A ship that needs the crane has to come to the south quay",
}
DEPTH = {
    "statement": "A ship that lies deeper than 6 metres can be there around high tide only.",
    "source": "pilots.md",
    "quote": "may come to the south quay only in the three hours around high tide",
}
PLAN = {
    "statement": "A crane at the north quay is planned, and not paid for yet.",
    "source": "newspaper.md",
    "quote": "It is to be built next year, if the money is found.",
}
FROM_MEMORY = {**CRANE, "quote": "The crane is at the south quay"}


def report(seen: Request, *claims: dict[str, str]) -> ScriptedReply:
    """Return the report, with what the user has said."""
    answer = f"Yes, at the south quay, around high tide. (You said: {seen.answers('user')[0]})"
    return tool("finish", result={"answer": answer, "claims": claims})


SCRIPT = Script(
    {
        "researcher": [
            [
                tool("read_file", path="harbour-office.md"),
                tool("read_file", path="pilots.md"),
                call("user", "What is the draught of the Aurora, and does she need the crane?"),
            ],
            call("critic", "Claims: only the south quay has a crane; it is for high tide only."),
            lambda seen: report(seen, FROM_MEMORY, DEPTH),
            lambda seen: report(seen, CRANE, DEPTH, PLAN),
        ],
        "critic": [
            tool("search_files", pattern="crane"),
            lambda seen: finish(f"Mention this too: {seen.results('search_files')[0]}"),
        ],
    }
)
