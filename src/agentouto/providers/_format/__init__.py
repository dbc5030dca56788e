"""What all wire formats share: no I/O, no vendor."""
