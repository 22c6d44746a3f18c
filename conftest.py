"""Names that every doctest may use."""

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp


@pytest.fixture(autouse=True)
def doctest_names(doctest_namespace: dict[str, object]) -> None:
    doctest_namespace.update(np=np, tn=tn, tnp=tnp)
