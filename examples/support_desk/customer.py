"""A customer at the terminal: any chat program would do the same."""

import sys
from collections.abc import Iterator

URL = "http://127.0.0.1:8421/v1"

try:
    from openai import APIConnectionError, APIStatusError, OpenAI
    from openai.types.chat import ChatCompletionMessageParam
except ImportError:
    sys.exit("customer.py needs OpenAI's client: pip install openai")


def lines() -> Iterator[str]:
    """Yield what the customer says, to the end of the input."""
    print("> ", end="", flush=True)
    for line in sys.stdin:
        yield line.strip()
        print("> ", end="", flush=True)


def talk(url: str) -> None:
    """Keep one conversation with the desk."""
    client = OpenAI(base_url=url, api_key="any")
    said: list[ChatCompletionMessageParam] = []
    for line in lines():
        said.append({"role": "user", "content": line})
        reply = client.chat.completions.create(model="team", messages=said)
        text = reply.choices[0].message.content or ""
        said.append({"role": "assistant", "content": text})
        print(text.partition("[//]: #")[0].strip())


if __name__ == "__main__":
    try:
        talk(sys.argv[1] if len(sys.argv) > 1 else URL)
    except APIConnectionError:
        sys.exit(
            "customer.py finds no desk: agentouto serve examples/support_desk/team.py --openai"
        )
    except APIStatusError as error:
        sys.exit(f"customer.py: {error.message}")
