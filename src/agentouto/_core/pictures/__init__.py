"""Pictures of a run: its messages as a sequence, and its time as lanes."""
