"""Pure functions over the types of ``_domain``: prompts, schemas, checks, estimates, renderings."""
