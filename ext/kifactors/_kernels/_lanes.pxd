"""The verbs of `_lanes.h`: eight doubles at a time."""

from libc.stdint cimport int8_t

cdef extern from "_lanes.h" nogil:
    ctypedef struct lanes:
        pass
    ctypedef struct flags:
        pass
    lanes spread(double x)
    lanes load(const double* x)
    lanes load_where(const double* x, unsigned bits)
    void store(double* x, lanes a)
    lanes plus(lanes a, lanes b)
    lanes minus(lanes a, lanes b)
    lanes times(lanes a, lanes b)
    lanes over(lanes a, lanes b)
    lanes lesser(lanes a, lanes b)
    lanes greater(lanes a, lanes b)
    lanes magnitude(lanes a)
    lanes clamp(lanes a, lanes low, lanes high)
    lanes choose(flags f, lanes a, lanes b)
    flags known(lanes a)
    flags less(lanes a, lanes b)
    flags at_most(lanes a, lanes b)
    flags both(flags a, flags b)
    flags coded(const int8_t* codes, int8_t code)
    int count(flags f)
    int count_twice(flags f, flags g)
    void prefetch(size_t address)
    int compress(double* out, flags f, lanes a)
    double total(lanes a)
    double largest(lanes a)
    double smallest(lanes a)

cdef enum:
    LANES = 8


cdef inline void pad(double* x, Py_ssize_t n, double value) noexcept nogil:
    """Fill the lanes behind the first n."""
    store(&x[n], spread(value))
