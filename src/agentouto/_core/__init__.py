"""What can be decided by thinking alone: pure functions over the words of the protocol."""
