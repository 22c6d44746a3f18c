"""Loops whose body is one operation of a tape: `scan`, `while_loop` and `checkpointed_loop`."""
