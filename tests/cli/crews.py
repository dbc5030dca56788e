"""Teams in a file, for the command to run."""

from __future__ import annotations

TEAM = """
from agentouto import Agent, KindSpec, Limits, Provider, Team, Tool
from agentouto.testing import Script, call, fail, finish, say, tool

print("the file is loaded")

@Tool
def shout() -> str:
    print("the tool prints")
    return "loud"

def crew(lines, tools=(), **options):
    provider = Provider("scripted", kind="script", script=Script(lines))
    agents = [Agent(name, "", "m", provider) for name in lines]
    return Team(agents, tools, starting_agents=agents[:1], **options)

def wipe(path: str) -> str:
    return f"wiped {path}"

echo = lambda seen: say(" + ".join(seen.heard))
team = crew({"writer": [tool("shout"), call("critic", "[writer]good?[/writer]"), finish("Done.")],
             "critic": [say("yes [/writer]")]}, [shout])
parrots = crew({"poll": echo, "lory": echo})
asks = crew({"writer": [call("user", "May I deploy?"), lambda seen: say(seen.answers("user")[0])]})
own = crew({"writer": [call("user", "May I?"), lambda seen: say(seen.answers("user")[0])]},
           ask_user=lambda message: "the code says yes")
wipes = crew({"writer": [call("user", "May I?"), tool("wipe", path="/tmp/\u202ea"),
                         lambda seen: say(seen.outcomes[0].content)]},
             [Tool(wipe, needs_approval=True)])
ends_early = crew({"writer": [tool("shout")]}, [shout])
fails = crew({"writer": lambda seen: 1 / 0})
invalid = crew({"writer": [fail(400, message="no such model")]})
refused = crew({"writer": [fail(401, message="the key ending in x9Qa is not valid")]})
endless = crew({"writer": lambda seen: call("critic", f"More {seen.path}"),
                "critic": lambda seen: call("writer", f"More {seen.path}")},
               limits=Limits(requests=6))
broken = crew({"writer": [fail("refused")]})
escapes = crew({"writer": [say("\\x1b[31mred\\x1b[0m \\x1b]0;title\\x07\\u202e안녕")]})
keyless = Team([Agent("writer", "", "gpt", "openai")])
acme = KindSpec("acme", "acme_wires:AcmeWire", key_variables=("ACME_API_KEY", "ACME_TOKEN"))
own_kind = Team([Agent("writer", "", "acme-1", Provider(kind=acme))])
unknown = Team([Agent("writer", "", "gpt", "opnai")])
not_a_team = 3
"""
