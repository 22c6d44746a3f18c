"""What is watched, and what is said where something is wrong: checks, connections, advice."""
