"""Cross-section kernels: a style score in one pass per date, the composite's scale, leave-one-out means.

Cost: linear in the values. A date is unpacked once into a few arrays that stay in cache (unknown becomes NaN, the
end is padded to whole lanes) and every step works on those: clip, scale, add up, regress, scale again. Clipping
bounds are bracketed by a sample, filtered in one pass and selected among the few that are left; a bracket that
misses falls back to all values, so they are exact.
Not polars: a date is touched while it is in cache, and sums run in one fixed order, so that a result does not
depend on threads, on other dates, on the width of the registers, or on how a frame is chunked.
Every function trusts its caller: `kifactors._kernels` has checked types, lengths and offsets.
"""

from libc.math cimport INFINITY, NAN, fabs, floor, frexp, isnan, ldexp, sqrt
from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t

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
    int count(flags f)
    int compress(double* out, flags f, lanes a)
    double total(lanes a)
    double largest(lanes a)
    double smallest(lanes a)

cdef enum:
    LANES = 8
    SAMPLE = 96             # values that bracket a quantile
    FEW = 16                # values that are sorted to select from
    SAMPLED_FROM = 512      # shorter sections are selected from as a whole
    MAX_COLUMNS = 64
    MAX_CONTROLS = 16

# How a descriptor is scaled.
cdef enum:
    RAW = 0
    SPARSE = 1
    DENSE = 2

# What became of a date.
cdef enum:
    SCORED = 0
    TOO_FEW = 1
    RANK_DEFICIENT = 2
    NO_DISPERSION = 3

# Dispersion below this share of the largest absolute value is rounding, not information; a control of whose
# variation less than this share is left by those before it explains nothing new.
cdef double RELATIVE_FLOOR = 1e-12


cdef struct Column:
    const double* values    # NULL: all are 1
    const uint8_t* valid    # NULL: no row is null
    int64_t start           # the bit of the first row


cdef struct Scaling:
    double low, high        # quantiles that clip a dense descriptor
    double deviations       # or, unless NaN, this many median absolute deviations
    double dense_clip, sparse_clip
    Py_ssize_t min_assets


cdef struct Moments:
    Py_ssize_t n
    double smallest, largest, weight, mean, std     # mean is weighted, std about the plain mean


cdef inline void pad(double* x, Py_ssize_t n, double value) noexcept nogil:
    store(&x[n], spread(value))


cdef inline double median_of_three(double a, double b, double c) noexcept nogil:
    return max(min(a, b), min(max(a, b), c))


cdef double select(const double* x, Py_ssize_t n, Py_ssize_t k, double* work) noexcept nogil:
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


cdef double interpolated(
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


cdef Py_ssize_t unpack(Column column, Py_ssize_t first, Py_ssize_t n, double* out) noexcept nogil:
    """Write rows first to first + n, NaN where unknown; return the length up to whole lanes, padded with NaN."""
    cdef Py_ssize_t i = 0, m
    cdef int64_t bit
    cdef unsigned bits
    while i < n:
        if column.values == NULL:
            store(&out[i], spread(1.0))
            i += LANES
            continue
        m = min(LANES, n - i)
        bits = (1u << m) - 1u
        if column.valid != NULL:
            bit = column.start + first + i
            bits &= (column.valid[bit >> 3] >> (bit & 7)) | (
                (<unsigned>column.valid[(bit >> 3) + 1] << (8 - (bit & 7))) if (bit & 7) + m > 8 else 0u)
        store(&out[i], load_where(column.values + first + i, bits))
        i += LANES
    if column.values == NULL:
        pad(out, n, NAN)
    return i


cdef void take(Column* column, list values, list valid, const int64_t[::1] starts):
    """Fill the columns that style_score describes; the lists keep the buffers alive."""
    cdef const double[::1] numbers
    cdef const uint8_t[::1] bits
    cdef Py_ssize_t k
    for k in range(len(values)):
        column[k].values = NULL
        column[k].valid = NULL
        column[k].start = starts[k]
        if values[k] is not None:
            numbers = values[k]
            column[k].values = &numbers[0] if numbers.shape[0] else NULL
        if valid[k] is not None:
            bits = valid[k]
            column[k].valid = &bits[0]


cdef void mark(
    const uint8_t[::1] chosen, Py_ssize_t first, Py_ssize_t n, Py_ssize_t end, double* out
) noexcept nogil:
    """Write 1 for the chosen rows, 0 for others and the padding; an empty mask chooses all."""
    cdef Py_ssize_t i
    if chosen.shape[0]:
        for i in range(n):
            out[i] = chosen[first + i]
    else:
        for i in range(0, end, 8):
            store(&out[i], spread(1.0))
    pad(out, n, 0.0)


cdef Py_ssize_t known_values(
    const double* x, const double* inside, Py_ssize_t n, double* out
) noexcept nogil:
    """Copy the known values of the estimation universe to the front of out, padded; return their number."""
    cdef Py_ssize_t i, found = 0
    cdef lanes v, nothing = spread(0.0)
    for i in range(0, n, 8):
        v = load(&x[i])
        found += compress(&out[found], both(known(v), less(nothing, load(&inside[i]))), v)
    pad(out, found, NAN)
    return found


cdef Py_ssize_t between(
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


cdef Py_ssize_t bracket(
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


cdef double quantile(
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


cdef double median_deviation(
    const double* x, Py_ssize_t n, double median, double* deviation, double* buffer, double* work
) noexcept nogil:
    """Return the median of |x - median|."""
    cdef Py_ssize_t i
    for i in range(0, n, 8):
        store(&deviation[i], magnitude(minus(load(&x[i]), spread(median))))
    return quantile(deviation, n, 0.5, buffer, work)


cdef Moments moments(
    const double* x, const double* cap, const double* inside, Py_ssize_t n, double low, double high
) noexcept nogil:
    """Return the moments of the clipped known values of the estimation universe; std is 0 without dispersion."""
    cdef Moments m
    cdef Py_ssize_t i
    cdef int exponent
    cdef double plain, scale
    cdef lanes v, c, w, zero = spread(0.0), bottom = spread(low), top = spread(high)
    cdef lanes sums = zero, weights = zero, weighted = zero, least = spread(INFINITY), most = spread(-INFINITY)
    cdef flags used
    m.n = 0
    for i in range(0, n, 8):
        v = load(&x[i])
        used = both(known(v), less(zero, load(&inside[i])))
        m.n += count(used)
        c = clamp(v, bottom, top)
        w = choose(used, load(&cap[i]), zero)
        least = choose(used, lesser(c, least), least)
        most = choose(used, greater(c, most), most)
        sums = plus(sums, choose(used, c, zero))
        weights = plus(weights, w)
        weighted = plus(weighted, choose(used, times(w, c), zero))
    m.smallest = smallest(least)
    m.largest = largest(most)
    m.weight = total(weights)
    m.mean = total(weighted) / m.weight if m.weight > 0.0 else NAN
    m.std = 0.0
    if m.n < 2 or not m.largest - m.smallest > RELATIVE_FLOOR * max(fabs(m.largest), fabs(m.smallest)):
        return m
    # Squares are taken of values scaled by a power of two, so that none over- or underflows.
    frexp(m.largest - m.smallest, &exponent)
    scale = ldexp(1.0, -max(-1000, min(1000, exponent)))
    plain = total(sums) / m.n
    sums = zero
    for i in range(0, n, 8):
        v = load(&x[i])
        used = both(known(v), less(zero, load(&inside[i])))
        c = times(minus(clamp(v, bottom, top), spread(plain)), spread(scale))
        sums = plus(sums, choose(used, times(c, c), zero))
    m.std = sqrt(total(sums) / (m.n - 1)) / scale
    return m


cdef bint scale_dense(
    double* x, const double* cap, const double* inside, Py_ssize_t n, Scaling how, double** spare
) noexcept nogil:
    """Clip, subtract the weighted mean, divide by the standard deviation, clip; false if that cannot be done."""
    cdef Py_ssize_t i, found = known_values(x, inside, n, spare[0])
    cdef double low, high
    cdef Moments m
    cdef lanes v, z
    if found < how.min_assets:
        return False
    if isnan(how.deviations):
        low = quantile(spare[0], found, how.low, spare[1], spare[2])
        high = quantile(spare[0], found, how.high, spare[1], spare[2])
    else:
        high = quantile(spare[0], found, 0.5, spare[1], spare[2])
        low = how.deviations * median_deviation(spare[0], found, high, spare[3], spare[1], spare[2])
        high, low = high + low, high - low
    m = moments(x, cap, inside, n, low, high)
    if not (m.std > 0.0 and m.weight > 0.0):
        return False
    for i in range(0, n, 8):
        v = load(&x[i])
        z = times(minus(clamp(v, spread(low), spread(high)), spread(m.mean)), spread(1.0 / m.std))
        store(&x[i], choose(known(v), clamp(z, spread(-how.dense_clip), spread(how.dense_clip)), v))
    return True


cdef void scale_sparse(double* x, const double* inside, Py_ssize_t n, double clip) noexcept nogil:
    """Divide by the root mean square of the exposed values of the estimation universe; 0 where there are none."""
    cdef Py_ssize_t i, exposed = 0
    cdef double most, rms
    cdef lanes v, size, zero = spread(0.0), highest = zero, sums = zero
    cdef flags used
    for i in range(0, n, 8):
        size = magnitude(load(&x[i]))
        used = both(less(zero, size), less(zero, load(&inside[i])))
        exposed += count(used)
        highest = choose(used, greater(size, highest), highest)
    most = largest(highest)
    # Squares are taken of scaled values, so that none over- or underflows.
    for i in range(0, n, 8):
        v = load(&x[i])
        used = both(less(zero, magnitude(v)), less(zero, load(&inside[i])))
        v = over(v, spread(most))
        sums = plus(sums, choose(used, times(v, v), zero))
    rms = most * sqrt(total(sums) / exposed) if exposed else 0.0
    for i in range(0, n, 8):
        v = load(&x[i])
        if rms > 0.0:
            store(&x[i], choose(known(v), clamp(over(v, spread(rms)), spread(-clip), spread(clip)), v))
        else:
            store(&x[i], choose(known(v), zero, v))


cdef void add_up(
    const double* x, Py_ssize_t n, double weight, double* sums, double* weights
) noexcept nogil:
    """Add a scaled descriptor to the weighted sum of those that are known."""
    cdef Py_ssize_t i
    cdef lanes v, zero = spread(0.0)
    for i in range(0, n, 8):
        v = load(&x[i])
        store(&sums[i], plus(load(&sums[i]), choose(known(v), times(spread(weight), v), zero)))
        store(&weights[i], plus(load(&weights[i]), choose(known(v), spread(weight), zero)))


cdef double weighted_dot(
    const double* w, const double* a, const double* b, Py_ssize_t n
) noexcept nogil:
    """Return the sum of w * a * b where w > 0."""
    cdef Py_ssize_t i
    cdef lanes v, zero = spread(0.0), sums = zero
    for i in range(0, n, 8):
        v = load(&w[i])
        sums = plus(sums, choose(less(zero, v), times(times(v, load(&a[i])), load(&b[i])), zero))
    return total(sums)


cdef bint cholesky(double* a, double* b, const double* scale, Py_ssize_t size) noexcept nogil:
    """Solve a x = b in place (a symmetric, rows of MAX_CONTROLS); false if a pivot is rounding only."""
    cdef Py_ssize_t i, j, k
    cdef double rest
    for j in range(size):
        rest = a[j * MAX_CONTROLS + j]
        for k in range(j):
            rest -= a[j * MAX_CONTROLS + k] * a[j * MAX_CONTROLS + k]
        if not rest > RELATIVE_FLOOR * scale[j]:
            return False
        a[j * MAX_CONTROLS + j] = sqrt(rest)
        for i in range(j + 1, size):
            rest = a[i * MAX_CONTROLS + j]
            for k in range(j):
                rest -= a[i * MAX_CONTROLS + k] * a[j * MAX_CONTROLS + k]
            a[i * MAX_CONTROLS + j] = rest / a[j * MAX_CONTROLS + j]
    for i in range(size):
        for k in range(i):
            b[i] -= a[i * MAX_CONTROLS + k] * b[k]
        b[i] /= a[i * MAX_CONTROLS + i]
    for i in range(size - 1, -1, -1):
        for k in range(i + 1, size):
            b[i] -= a[k * MAX_CONTROLS + i] * b[k]
        b[i] /= a[i * MAX_CONTROLS + i]
    return True


cdef int8_t neutralize(
    double* y,
    double* fit,
    double** x,
    double* weight,
    const double* inside,
    const int32_t* code,
    Py_ssize_t n,
    Py_ssize_t end,
    Py_ssize_t size,
    double* groups,
    Py_ssize_t nobody,
    double* demeaned,
) noexcept nogil:
    """Replace y by its residual on industries and controls x, and write the fit; NaN where there is none.

    The dummies are never built: values are demeaned within industry (Frisch, Waugh and Lovell), which leaves a
    system of the size of the controls. A row that is not in the fit weighs nothing and adds to the group nobody,
    so that no loop has to guess. groups has a row per industry: weight, mean of y, of the controls. weight and x
    are overwritten.
    """
    cdef Py_ssize_t i, k, m, found = 0, industries = 0, columns = size + 2
    cdef int32_t g
    cdef double w
    cdef double[MAX_CONTROLS * MAX_CONTROLS] a
    cdef double[MAX_CONTROLS] beta, floor_of
    cdef flags used
    cdef lanes v, zero = spread(0.0)
    for i in range(0, end, 8):
        v = load(&weight[i])
        used = both(both(less(zero, v), less(zero, load(&inside[i]))), known(load(&y[i])))
        for k in range(size):
            used = both(used, known(load(&x[k][i])))
        store(&weight[i], choose(used, v, zero))
    for i in range((nobody + 1) * columns):
        groups[i] = 0.0
    for i in range(n):
        w = weight[i] if code[i] != nobody else 0.0
        weight[i] = w
        found += w > 0.0
        g = code[i] if w > 0.0 else <int32_t>nobody
        groups[g * columns] += w
        groups[g * columns + 1] += w * y[i]
        for k in range(size):
            groups[g * columns + 2 + k] += w * x[k][i]
    for g in range(nobody):
        industries += groups[g * columns] > 0.0
    if found - industries - size < 1:
        return TOO_FEW
    for g in range(nobody + 1):
        w = groups[g * columns] if g < nobody and groups[g * columns] > 0.0 else NAN
        for k in range(1, columns):
            groups[g * columns + k] /= w
    for k in range(size):
        floor_of[k] = RELATIVE_FLOOR * weighted_dot(weight, x[k], x[k], end)
    for i in range(n):
        g = code[i]
        fit[i] = groups[g * columns + 1]
        for k in range(size):
            x[k][i] -= groups[g * columns + 2 + k]
    for i in range(0, end, 8):
        store(&demeaned[i], minus(load(&y[i]), load(&fit[i])))
    for k in range(size):
        beta[k] = weighted_dot(weight, x[k], demeaned, end)
        for m in range(k + 1):
            a[k * MAX_CONTROLS + m] = weighted_dot(weight, x[k], x[m], end)
        # Judged against what varies within industries, so that the origin of a control does not matter; the other
        # term is what demeaning leaves of a control that does not vary at all.
        floor_of[k] = max(a[k * MAX_CONTROLS + k], floor_of[k])
    if not cholesky(a, beta, floor_of, size):
        return RANK_DEFICIENT
    for i in range(0, end, 8):
        v = load(&fit[i])
        for k in range(size):
            v = plus(v, times(spread(beta[k]), load(&x[k][i])))
        store(&fit[i], v)
        store(&y[i], minus(load(&y[i]), v))
    return SCORED


def style_score(
    list values not None,
    list valid not None,
    const int64_t[::1] starts not None,
    const int8_t[::1] methods not None,
    const double[::1] weights not None,
    Py_ssize_t n_controls,
    const int32_t[::1] codes not None,
    const uint8_t[::1] estimation not None,
    const int64_t[::1] offsets not None,
    Py_ssize_t first,
    Py_ssize_t last,
    const double[::1] options not None,
    bint restandardize,
    double[:, ::1] scratch not None,
    int32_t[::1] scratch_codes not None,
    double[:, ::1] groups not None,
    double[::1] out not None,
    double[::1] fitted not None,
    int8_t[::1] status not None,
):
    """Scale descriptors, add them up, neutralize, standardize again; every date of first to last on its own.

    values and valid hold the columns in this order: descriptors, controls, market cap, regression weight; values
    of None are 1, a valid of None says that no row is null. methods has an entry per descriptor, as has weights.
    n_controls < 0: nothing is neutralized. Empty estimation: all rows. options: low, high, deviations (NaN:
    quantiles), dense clip, sparse clip, min_assets. scratch has 9 + n_controls rows, as long as the longest date
    in whole lanes plus two, groups a row more than there are industries. Empty fitted: not wanted.
    """
    cdef Column[MAX_COLUMNS] column
    cdef Scaling how
    cdef Moments m
    cdef Py_ssize_t d, i, k, n, end, a, descriptors = methods.shape[0]
    cdef double[:, ::1] rows = scratch
    cdef double *x
    cdef double *inside
    cdef double *cap
    cdef double *weight
    cdef double *sums
    cdef double *known_weight
    cdef double *fit
    cdef double *spare[4]
    cdef double *controls[MAX_CONTROLS]
    cdef Py_ssize_t size = max(n_controls, 0), nobody = groups.shape[0] - 1
    cdef lanes v, w, zero = spread(0.0)
    how.low, how.high, how.deviations = options[0], options[1], options[2]
    how.dense_clip, how.sparse_clip, how.min_assets = options[3], options[4], <Py_ssize_t>options[5]
    take(column, values, valid, starts)
    x, inside, cap, sums, known_weight = &rows[0, 0], &rows[1, 0], &rows[2, 0], &rows[3, 0], &rows[4, 0]
    for k in range(4):
        spare[k] = &rows[5 + k, 0]
    for k in range(size):
        controls[k] = &rows[9 + k, 0]
    # Rows that the regression borrows: the descriptors are done by then.
    weight, fit = x, spare[0]
    with nogil:
        for d in range(first, last):
            a = offsets[d]
            n = offsets[d + 1] - a
            status[d] = SCORED
            if n == 0:
                status[d] = TOO_FEW if n_controls >= 0 else SCORED
                continue
            end = unpack(column[descriptors + size], a, n, cap)
            mark(estimation, a, n, end, inside)
            for i in range(0, end, 8):
                store(&sums[i], zero)
                store(&known_weight[i], zero)
            for i in range(0, end, 8):
                v = load(&cap[i])
                store(&cap[i], choose(both(known(v), less(zero, load(&inside[i]))), v, zero))
            for k in range(descriptors):
                unpack(column[k], a, n, x)
                if methods[k] == SPARSE:
                    scale_sparse(x, inside, end, how.sparse_clip)
                elif methods[k] == DENSE and not scale_dense(x, cap, inside, end, how, spare):
                    continue
                add_up(x, end, weights[k], sums, known_weight)
            for i in range(0, end, 8):
                w = load(&known_weight[i])
                store(&sums[i], choose(less(zero, w), over(load(&sums[i]), w), spread(NAN)))
            if n_controls >= 0:
                for k in range(size):
                    unpack(column[descriptors + k], a, n, controls[k])
                unpack(column[descriptors + size + 1], a, n, weight)
                for i in range(n):
                    scratch_codes[i] = codes[a + i] if codes[a + i] >= 0 else <int32_t>nobody
                status[d] = neutralize(
                    sums, fit, controls, weight, inside, &scratch_codes[0], n, end, size, &groups[0, 0],
                    nobody, spare[1])
                if status[d] != SCORED:
                    for i in range(n):
                        sums[i] = fit[i] = NAN
                if fitted.shape[0]:
                    for i in range(n):
                        fitted[a + i] = fit[i]
            pad(sums, n, NAN)
            if restandardize and status[d] == SCORED:
                m = moments(sums, cap, inside, end, -INFINITY, INFINITY)
                if not (m.std > 0.0 and m.weight > 0.0):
                    status[d] = NO_DISPERSION
                for i in range(0, end, 8):
                    v = times(minus(load(&sums[i]), spread(m.mean)), spread(1.0 / m.std))
                    store(&sums[i], v if status[d] == SCORED else spread(NAN))
            for i in range(n):
                out[a + i] = sums[i]


def composite_standardize(
    list values not None,
    list valid not None,
    const int64_t[::1] starts not None,
    const uint8_t[::1] exposed not None,
    const uint8_t[::1] estimation not None,
    const int64_t[::1] offsets not None,
    Py_ssize_t first,
    Py_ssize_t last,
    double clip,
    double[:, ::1] scratch not None,
    double[::1] out not None,
):
    """out = (values - weighted mean) / root mean square of that over exposed assets; both within estimation.

    values, valid and starts hold the composite and its weights, as in style_score; scratch has four rows.
    """
    cdef Column[MAX_COLUMNS] column
    cdef Py_ssize_t d, i, n, a, end, active
    cdef double mean, rms, most
    cdef double *x = &scratch[0, 0]
    cdef double *cap = &scratch[1, 0]
    cdef double *inside = &scratch[2, 0]
    cdef double *used = &scratch[3, 0]
    cdef flags f
    cdef lanes v, w, zero = spread(0.0), weighted, weights, highest, sums
    take(column, values, valid, starts)
    with nogil:
        for d in range(first, last):
            a = offsets[d]
            n = offsets[d + 1] - a
            end = unpack(column[0], a, n, x)
            unpack(column[1], a, n, cap)
            mark(estimation, a, n, end, inside)
            weighted = weights = highest = zero
            for i in range(0, end, 8):
                v = load(&x[i])
                w = load(&cap[i])
                f = both(known(v), less(zero, load(&inside[i])))
                highest = choose(f, greater(magnitude(v), highest), highest)
                f = both(f, known(w))
                weighted = plus(weighted, choose(f, times(w, v), zero))
                weights = plus(weights, choose(f, w, zero))
            mean = total(weighted) / total(weights) if total(weights) > 0.0 else NAN
            most = largest(highest)
            mark(exposed, a, n, end, used)
            active = 0
            sums = zero
            # Squares are taken of scaled values, so that none over- or underflows.
            for i in range(0, end, 8):
                v = load(&x[i])
                f = both(both(known(v), less(zero, load(&inside[i]))), less(zero, load(&used[i])))
                active += count(f)
                v = over(minus(v, spread(mean)), spread(most))
                sums = plus(sums, choose(f, times(v, v), zero))
            rms = most * sqrt(total(sums) / active) if active and most > 0.0 else 0.0
            for i in range(0, end, 8):
                v = load(&x[i])
                w = zero
                if rms > RELATIVE_FLOOR * most:
                    w = clamp(over(minus(v, spread(mean)), spread(rms)), spread(-clip), spread(clip))
                store(&x[i], choose(known(minus(v, spread(mean))), w, spread(NAN)))
            for i in range(n):
                out[a + i] = x[i]


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
