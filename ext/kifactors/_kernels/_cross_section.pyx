"""Cross-section kernels: scale by exposed assets, z-scores, leave-one-out means. One slice per date.

Cost: linear in the values. The two quantiles of dense_standardize are bracketed by a sample, filtered in one
pass and selected among the few that are left; a bracket that misses falls back to all values. Both are exact.
Not polars: a date is touched once while it is in cache, and sums run in one fixed order, so that a result does
not depend on threads, on other dates, or on how a frame is chunked.
NaN = unknown. Every function trusts its caller: `kifactors._kernels` has checked types, lengths and offsets.
"""

from libc.math cimport INFINITY, NAN, fabs, floor, isnan, sqrt
from libc.stdint cimport int64_t, uint8_t

cdef enum:
    SAMPLE = 96             # values that bracket a quantile
    SAMPLED_FROM = 512      # shorter sections are selected from as a whole

# Dispersion below this share of the largest absolute value is rounding, not information.
cdef double RELATIVE_FLOOR = 1e-12


cdef inline double clipped(double x, double low, double high) noexcept nogil:
    return low if x < low else high if x > high else x


cdef double select(double* x, Py_ssize_t n, Py_ssize_t k) noexcept nogil:
    """Return the k-th smallest of x[0:n], reordering it so that nothing right of k is smaller."""
    cdef Py_ssize_t low = 0, high = n - 1, i, j
    cdef double pivot
    while low < high:
        pivot = x[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while x[i] < pivot:
                i += 1
            while x[j] > pivot:
                j -= 1
            if i <= j:
                x[i], x[j] = x[j], x[i]
                i += 1
                j -= 1
        if k <= j:
            high = j
        elif k >= i:
            low = i
        else:
            break
    return x[k]


cdef double interpolated(double* x, Py_ssize_t n, Py_ssize_t k, double fraction) noexcept nogil:
    """Return the k-th smallest of x[0:n], moved by fraction towards the next one; reorders x."""
    cdef double below = select(x, n, k), above = INFINITY
    cdef Py_ssize_t i
    if fraction == 0.0:
        return below
    for i in range(k + 1, n):
        above = min(above, x[i])
    return below + fraction * (above - below)


cdef Py_ssize_t bracket(
    const double* x, Py_ssize_t n, Py_ssize_t k, double* buffer, Py_ssize_t* under
) noexcept nogil:
    """Copy to buffer the values among which the k-th and the next smallest almost surely are; return their number.

    under is the number of values below them. The bounds are order statistics of an evenly spread sample, three
    standard deviations and three places around the wanted one.
    """
    cdef double[SAMPLE] sample
    cdef Py_ssize_t i, j, count = 0, step = n // SAMPLE
    cdef double v, low = -INFINITY, high = INFINITY, centre, margin
    for i in range(SAMPLE):
        v = x[i * step]
        j = i
        while j > 0 and sample[j - 1] > v:
            sample[j] = sample[j - 1]
            j -= 1
        sample[j] = v
    centre = <double>k * SAMPLE / n
    margin = 3.0 * sqrt(centre * (1.0 - <double>k / n)) + 3.0
    if centre - margin >= 0.0:
        low = sample[<Py_ssize_t>(centre - margin)]
    if centre + margin < SAMPLE - 1:
        high = sample[<Py_ssize_t>(centre + margin) + 1]
    under[0] = 0
    for i in range(n):
        v = x[i]
        under[0] += v < low
        buffer[count] = v
        count += (v >= low) & (v <= high)
    return count


cdef double quantile(const double* x, Py_ssize_t n, double q, double* buffer) noexcept nogil:
    """Return the linearly interpolated quantile of x[0:n], n >= 1, exactly; buffer has room for n values."""
    cdef double position = q * (n - 1)
    cdef Py_ssize_t k = <Py_ssize_t>floor(position), count, under, i
    if n >= SAMPLED_FROM:
        count = bracket(x, n, k, buffer, &under)
        if under <= k and (k + 1 < under + count or (k < under + count and position == k)):
            return interpolated(buffer, count, k - under, position - k)
    for i in range(n):
        buffer[i] = x[i]
    return interpolated(buffer, n, k, position - k)


def sparse_standardize(
    const double[::1] values not None,
    const uint8_t[::1] estimation not None,
    const int64_t[::1] offsets not None,
    Py_ssize_t first,
    Py_ssize_t last,
    double clip,
    double[::1] out not None,
):
    """out = values / root mean square of the non-zero values in estimation, clipped; 0 where there are none."""
    cdef Py_ssize_t d, i, n
    cdef double largest, total, rms
    with nogil:
        for d in range(first, last):
            # Here and below squares are taken of scaled values, so that none over- or underflows.
            largest = 0.0
            for i in range(offsets[d], offsets[d + 1]):
                if estimation[i] and not isnan(values[i]):
                    largest = max(largest, fabs(values[i]))
            n = 0
            total = 0.0
            if largest > 0.0:
                for i in range(offsets[d], offsets[d + 1]):
                    if estimation[i] and not isnan(values[i]) and values[i] != 0.0:
                        n += 1
                        total += (values[i] / largest) * (values[i] / largest)
            rms = largest * sqrt(total / n) if n else 0.0
            for i in range(offsets[d], offsets[d + 1]):
                if isnan(values[i]):
                    out[i] = NAN
                elif rms > 0.0:
                    out[i] = clipped(values[i] / rms, -clip, clip)
                else:
                    out[i] = 0.0


def composite_standardize(
    const double[::1] values not None,
    const double[::1] weights not None,
    const uint8_t[::1] exposed not None,
    const uint8_t[::1] estimation not None,
    const int64_t[::1] offsets not None,
    Py_ssize_t first,
    Py_ssize_t last,
    double clip,
    double[::1] out not None,
):
    """out = (values - weighted mean) / root mean square of that over exposed assets; both within estimation."""
    cdef Py_ssize_t d, i, n
    cdef double mean, weight, largest, total, rms, x
    with nogil:
        for d in range(first, last):
            mean = 0.0
            weight = 0.0
            largest = 0.0
            for i in range(offsets[d], offsets[d + 1]):
                if estimation[i] and not isnan(values[i]):
                    largest = max(largest, fabs(values[i]))
                    if not isnan(weights[i]):
                        mean += weights[i] * values[i]
                        weight += weights[i]
            mean = mean / weight if weight > 0.0 else NAN
            n = 0
            total = 0.0
            for i in range(offsets[d], offsets[d + 1]):
                if largest > 0.0 and estimation[i] and exposed[i] and not isnan(values[i]):
                    n += 1
                    x = (values[i] - mean) / largest
                    total += x * x
            rms = largest * sqrt(total / n) if n else 0.0
            for i in range(offsets[d], offsets[d + 1]):
                if isnan(values[i]) or isnan(mean):
                    out[i] = NAN
                elif rms > RELATIVE_FLOOR * largest:
                    out[i] = clipped((values[i] - mean) / rms, -clip, clip)
                else:
                    out[i] = 0.0


def dense_standardize(
    const double[::1] values not None,
    const double[::1] weights not None,
    const uint8_t[::1] estimation not None,
    const int64_t[::1] offsets not None,
    Py_ssize_t first,
    Py_ssize_t last,
    double low,
    double high,
    double clip,
    Py_ssize_t min_assets,
    double[::1] scratch not None,
    double[::1] out not None,
):
    """out = (winsorized - weighted mean) / standard deviation (ddof 1, about the plain mean), clipped."""
    cdef Py_ssize_t d, i, n
    cdef double lower, upper, x, mean, weight, plain, total, largest, smallest, std
    with nogil:
        for d in range(first, last):
            n = 0
            for i in range(offsets[d], offsets[d + 1]):
                if estimation[i] and not isnan(values[i]):
                    scratch[offsets[d] + n] = values[i]
                    n += 1
            if n < min_assets:
                for i in range(offsets[d], offsets[d + 1]):
                    out[i] = NAN
                continue
            # The output of the date is free until the end: room for the selections.
            lower = quantile(&scratch[offsets[d]], n, low, &out[offsets[d]])
            upper = quantile(&scratch[offsets[d]], n, high, &out[offsets[d]])
            mean = weight = plain = 0.0
            largest = -INFINITY
            smallest = INFINITY
            for i in range(offsets[d], offsets[d + 1]):
                if estimation[i] and not isnan(values[i]):
                    x = clipped(values[i], lower, upper)
                    plain += x
                    largest = max(largest, x)
                    smallest = min(smallest, x)
                    if not isnan(weights[i]):
                        mean += weights[i] * x
                        weight += weights[i]
            if largest - smallest <= RELATIVE_FLOOR * max(fabs(largest), fabs(smallest)) or not weight > 0.0:
                for i in range(offsets[d], offsets[d + 1]):
                    out[i] = NAN
                continue
            mean /= weight
            plain /= n
            total = 0.0
            for i in range(offsets[d], offsets[d + 1]):
                if estimation[i] and not isnan(values[i]):
                    x = (clipped(values[i], lower, upper) - plain) / (largest - smallest)
                    total += x * x
            std = (largest - smallest) * sqrt(total / (n - 1))
            for i in range(offsets[d], offsets[d + 1]):
                out[i] = clipped((clipped(values[i], lower, upper) - mean) / std, -clip, clip)


def leave_one_out_mean(
    const double[::1] values not None,
    const double[::1] weights not None,
    const int64_t[::1] offsets not None,
    Py_ssize_t first,
    Py_ssize_t last,
    double[::1] scratch not None,
    double[::1] out not None,
):
    """out[i] = weighted mean of the other values of the slice; 0 where the others weigh nothing.

    Prefix plus suffix sums instead of total minus own: with values and weights >= 0 nothing cancels.
    """
    cdef Py_ssize_t d, i
    cdef double value, weight
    with nogil:
        for d in range(first, last):
            value = weight = 0.0
            for i in range(offsets[d], offsets[d + 1]):
                out[i] = value
                scratch[i] = weight
                value += weights[i] * values[i]
                weight += weights[i]
            value = weight = 0.0
            for i in range(offsets[d + 1] - 1, offsets[d] - 1, -1):
                out[i] += value
                scratch[i] += weight
                value += weights[i] * values[i]
                weight += weights[i]
                out[i] = out[i] / scratch[i] if scratch[i] > 0.0 else 0.0
