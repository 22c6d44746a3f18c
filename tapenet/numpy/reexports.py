"""NumPy's own names, which `tapenet.numpy` passes on as they are: they are not about arrays on a tape.

The table says what each group is, for `docs/guides/coverage.md` as for the reader.
"""

from __future__ import annotations

import numpy as np

GROUPS = {
    "numbers": "e euler_gamma inf nan newaxis pi False_ True_ little_endian",
    "types of elements": """
        bool bool_ byte bytes_ cdouble character clongdouble complex64 complex128 complex256 complexfloating csingle
        datetime64 double flexible float16 float32 float64 float128 floating generic half inexact int8 int16 int32
        int64 int_ intc integer intp long longdouble longlong number object_ short signedinteger single str_
        timedelta64 ubyte uint uint8 uint16 uint32 uint64 uintc uintp ulong ulonglong unsignedinteger ushort void
        ScalarType sctypeDict typecodes
        """,
    "classes, which convert what they are given": """
        ndarray matrix recarray record memmap poly1d ufunc dtype broadcast busdaycalendar
        flatiter nditer ndenumerate ndindex vectorize
        """,
    "modules": "char core ctypeslib dtypes emath exceptions f2py lib ma polynomial random rec strings testing typing",
    "of types": "iinfo isdtype issubdtype mintypecode promote_types typename",
    "of shapes and indices": """
        broadcast_shapes diag_indices index_exp indices iterable isscalar mask_indices mgrid ogrid s_ tril_indices
        triu_indices
        """,
    "new arrays without values to differentiate by": """
        bartlett blackman empty eye fromfunction hamming hanning identity ones tri zeros
        """,
    "of Python functions, called for each element; a Tensor raises there, and tn.vmap is what it takes": (
        "frompyfunc nested_iters"
    ),
    "read from files, buffers and text": """
        from_dlpack frombuffer fromfile fromiter fromregex fromstring genfromtxt load loadtxt
        """,
    "text of integers": "base_repr binary_repr",
    "dates": "busday_count busday_offset datetime_as_string datetime_data is_busday isnat",
    "settings": """
        errstate get_printoptions getbufsize geterr geterrcall printoptions set_printoptions setbufsize seterr
        seterrcall
        """,
    "of NumPy itself": "get_include info show_config show_runtime test",
}

_PRESENT = set(dir(np))  # and not hasattr, which would import NumPy's modules
GROUP_OF = {name: group for group, names in GROUPS.items() for name in names.split() if name in _PRESENT}
