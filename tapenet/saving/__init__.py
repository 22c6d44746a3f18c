"""How pytrees lie in files: leaves as tensors and JSON, paths, reading and replacing files."""
