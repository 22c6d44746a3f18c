"""Random programs over the differentiated functions of the namespace: see `comparisons` for what is held of each.

Half a minute by default, of the same programs each time; about an hour of new ones with
`--hypothesis-profile=deep`. A difference is shrunk, and printed as a
script with its calls and inputs. `--hypothesis-show-statistics` tells how many programs were held, and how far.
"""

from __future__ import annotations

import pytest
from hypothesis import event, given, settings, strategies as st

from tests.fuzz.comparisons import Unanswered, hold
from tests.fuzz.programs import programs

COUNT = 100 * settings().max_examples


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("special", [False, True], ids=["numbers", "special values"])
@settings(max_examples=COUNT, derandomize=COUNT <= 1000)
@given(data=st.data())
def test_programs_agree_with_numpy_and_with_themselves(special: bool, data: st.DataObject) -> None:
    program = data.draw(programs(special))
    try:
        event(hold(program).split(":")[0])
    except Unanswered:
        event("refused by NumPy")
