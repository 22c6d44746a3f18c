"""The derivative of long loops: which carries are kept, and the sweeps that compute the others again."""
