"""The core of the library: values, records, primitives, and how they are declared."""
