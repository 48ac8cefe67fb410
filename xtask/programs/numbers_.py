"""Threads of BLAS, and compiled code: `numbers_.py numpy|numba|cython`."""

import sys

if sys.argv[1] == "numpy":
    import numpy

    a = numpy.ones((600, 600))
    for _ in range(150):
        a = a @ a / 600.0
    print(a.shape, round(float(a[0, 0]), 3))
elif sys.argv[1] == "numba":
    import numba

    @numba.njit(parallel=True)
    def compiled(n):
        total = 0
        for i in numba.prange(n):
            total += i * i % 7
        return total

    print([compiled(20_000_000 + n) for n in range(20)][-1])
else:
    import os

    import pyximport

    pyximport.install(build_dir=os.environ["PROGRAM_FOLDER"], inplace=False)
    import compiled

    print(compiled.calls(2_000_000))
