"""Anthropic's Messages API: requests written down, answers read, what servers have refused."""
