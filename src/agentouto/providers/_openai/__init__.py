"""OpenAI's two APIs, Chat Completions and Responses, and the servers that imitate them."""

OPENAI_URL = "https://api.openai.com/v1"
"""OpenAI's own server and the version of its API, in both formats."""
