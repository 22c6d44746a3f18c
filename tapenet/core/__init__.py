"""What one must read to know the library: values, records, primitives, and how they are declared."""
