"""Random programs over the differentiated functions of the namespace: see `comparisons` for what is held of each.

Some seconds by default, of new programs each time; about an hour with `--hypothesis-profile=deep`. A difference is
shrunk, and printed as a script with its steps and inputs. `--hypothesis-show-statistics` tells how many programs were
held, and how far. `--hypothesis-seed` repeats a run.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import event, given, settings, strategies as st

import tapenet.numpy as tnp
from tests.fuzz.comparisons import Unanswered, hold
from tests.fuzz.peers import hold_to_jax
from tests.fuzz.programs import Program, programs

MOST = settings().max_examples
COUNT = 100 if MOST <= 10 else 100 * MOST


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("special", [False, True], ids=["numbers", "special values"])
@settings(max_examples=COUNT)
@given(data=st.data())
def test_programs_agree_with_numpy_and_with_themselves(special: bool, data: st.DataObject) -> None:
    program = data.draw(programs(special))
    through = data.draw(st.sampled_from([tnp, np]))
    try:
        event(hold(program, through).split(":")[0])
    except Unanswered:
        event("refused by NumPy")


@pytest.mark.timeout(7200)
@pytest.mark.usefixtures("jax_in_double_precision")
@settings(max_examples=COUNT // 5)
@given(program=programs(False))
def test_gradients_agree_with_jax(program: Program) -> None:
    try:
        event(hold_to_jax(program))
    except Unanswered:
        event("not answered by both")
