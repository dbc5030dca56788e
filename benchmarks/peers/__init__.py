"""Contenders made with frameworks of others, each in the shortest way that its own pages show."""
