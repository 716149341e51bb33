"""Exact order statistics and quantiles of padded values: bracketed by a sample, filtered, selected among few.

Cost: linear. A sample brackets the wanted place; one pass keeps what lies in the bracket; a few values are left to
select from. A bracket that misses falls back to all values.
"""

from libc.math cimport INFINITY, NAN, floor, sqrt

from kifactors._kernels._lanes cimport (
    LANES, at_most, both, choose, compress, count, lanes, less, lesser, load, magnitude, minus, pad, smallest,
    spread, store,
)

cdef enum:
    FEW = 16                # values that are sorted to select from
    SAMPLE = 96             # values that bracket a quantile
    SAMPLED_FROM = 512      # shorter sections are selected from as a whole


cdef inline double median_of_three(double a, double b, double c) noexcept nogil:
    return max(min(a, b), min(max(a, b), c))


cdef inline double select(const double* x, Py_ssize_t n, Py_ssize_t k, double* work) noexcept nogil:
    """Return the k-th smallest of the n padded values; work is as long as x and may be x."""
    cdef Py_ssize_t i, j, under, same, kept
    cdef double pivot
    cdef lanes v, p
    while n > FEW:
        pivot = median_of_three(x[n // 4], x[n // 2], x[n - 1 - n // 4])
        p = spread(pivot)
        under = same = kept = 0
        for i in range(0, n, 8):
            v = load(&x[i])
            under += count(less(v, p))
            same += count(both(at_most(v, p), at_most(p, v)))
        if under <= k < under + same:
            return pivot
        if k < under:
            for i in range(0, n, 8):
                v = load(&x[i])
                kept += compress(&work[kept], less(v, p), v)
        else:
            for i in range(0, n, 8):
                v = load(&x[i])
                kept += compress(&work[kept], less(p, v), v)
            k -= under + same
        pad(work, kept, NAN)
        x = work
        n = kept
    for i in range(n):
        pivot = x[i]
        j = i
        while j > 0 and work[j - 1] > pivot:
            work[j] = work[j - 1]
            j -= 1
        work[j] = pivot
    return work[k]


cdef inline double interpolated(
    const double* x, Py_ssize_t n, Py_ssize_t k, double fraction, double* work
) noexcept nogil:
    """Return the k-th smallest of the n padded values, moved by fraction towards the next one."""
    cdef double below = select(x, n, k, work)
    cdef Py_ssize_t i, reached = 0
    cdef lanes v, b = spread(below), above = spread(INFINITY)
    if fraction == 0.0:
        return below
    for i in range(0, n, 8):
        v = load(&x[i])
        reached += count(at_most(v, b))
        above = choose(less(b, v), lesser(v, above), above)
    # Where the value is there twice, the next one is the same.
    return below if reached > k + 1 else below + fraction * (smallest(above) - below)


cdef inline Py_ssize_t between(
    const double* x, Py_ssize_t n, double low, double high, double* out, Py_ssize_t* under
) noexcept nogil:
    """Copy the values of [low, high] to the front of out, which may be x; count those under low."""
    cdef Py_ssize_t i, found = 0
    cdef lanes v, bottom = spread(low), top = spread(high)
    under[0] = 0
    for i in range(0, n, 8):
        v = load(&x[i])
        under[0] += count(less(v, bottom))
        found += compress(&out[found], both(at_most(bottom, v), at_most(v, top)), v)
    pad(out, found, NAN)
    return found


cdef inline Py_ssize_t bracket(
    const double* x, Py_ssize_t n, Py_ssize_t k, double* out, Py_ssize_t* under
) noexcept nogil:
    """Copy to out the values among which the k-th and the next smallest almost surely are; return their number.

    under is the number of values below them. The bounds are order statistics of an evenly spread sample, three
    standard deviations and three places around the wanted one.
    """
    cdef double[SAMPLE + LANES] sample
    cdef double[SAMPLE + LANES] work
    cdef Py_ssize_t i, step = n // SAMPLE
    cdef double low = -INFINITY, high = INFINITY, centre, margin
    for i in range(SAMPLE):
        sample[i] = x[i * step]
    pad(sample, SAMPLE, NAN)
    centre = <double>k * SAMPLE / n
    margin = 3.0 * sqrt(centre * (1.0 - <double>k / n)) + 3.0
    if centre - margin >= 0.0:
        low = select(sample, SAMPLE, <Py_ssize_t>(centre - margin), work)
    if centre + margin < SAMPLE - 1:
        high = select(sample, SAMPLE, <Py_ssize_t>(centre + margin) + 1, work)
    return between(x, n, low, high, out, under)


cdef inline double quantile(
    const double* x, Py_ssize_t n, double q, double* buffer, double* work
) noexcept nogil:
    """Return the linearly interpolated quantile of the n >= 1 padded values, exactly; buffers are as long as x."""
    cdef double position = q * (n - 1)
    cdef Py_ssize_t wanted = <Py_ssize_t>floor(position), k = wanted, left = n, before = 2 * n, found, under
    cdef const double* source = x
    while left >= SAMPLED_FROM and 2 * left <= before:
        found = bracket(source, left, k, buffer, &under)
        if under > k or k >= under + found or (k + 1 == under + found and position > wanted):
            return interpolated(x, n, wanted, position - wanted, work)
        source = buffer
        k -= under
        before = left
        left = found
    return interpolated(source, left, k, position - wanted, work)


cdef inline double median_deviation(
    const double* x, Py_ssize_t n, double median, double* deviation, double* buffer, double* work
) noexcept nogil:
    """Return the median of |x - median|."""
    cdef Py_ssize_t i
    for i in range(0, n, 8):
        store(&deviation[i], magnitude(minus(load(&x[i]), spread(median))))
    return quantile(deviation, n, 0.5, buffer, work)
