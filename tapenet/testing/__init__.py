"""Checks of gradients, for the library's own operations and for users' functions alike."""

from tapenet.testing.gradients import GradientError as GradientError, check_grads as check_grads
