"""What can go wrong with a graph that tapenet has no class for."""

import tapenet as tn


class GraphError(tn.TapenetError, RuntimeError):
    """A graph used before what the call needs is there: a node, a feed, a loss, an optimizer, a gradient."""
