"""Cross-section kernels: a style score in one pass per date, the composite's scale, leave-one-out means.

Cost: linear in the values. A date is unpacked once into a few arrays that stay in cache (unknown becomes NaN, the
end is padded to whole lanes) and every step works on those: clip, scale, add up, regress, scale again. Clipping
bounds are exact (`_quantiles.pxd`).
Not polars: a date is touched while it is in cache, and sums run in one fixed order, so that a result does not
depend on threads, on other dates, on the width of the registers, or on how a frame is chunked.
Every function trusts its caller: `kifactors._kernels` has checked types, lengths and offsets.
"""

from libc.math cimport INFINITY, NAN, fabs, frexp, isnan, ldexp, sqrt
from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t

from kifactors._kernels._lanes cimport (
    LANES, both, choose, clamp, compress, count, flags, greater, known, lanes, largest, less, lesser, load,
    load_where, magnitude, minus, over, pad, plus, prefetch, smallest, spread, store, times, total,
)
from kifactors._kernels._quantiles cimport median_deviation, quantile

cdef enum:
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


# Two columns that are needed next: steps on the present one ask for them line by line, so that memory and
# arithmetic work at the same time.
cdef struct Ahead:
    size_t one, two     # addresses, not pointers: they may run past the end of a column


# clip(clamp(x, low, high) - mean) * factor
cdef struct Scale:
    double low, high, mean, factor, clip


cdef inline size_t address(Column column, Py_ssize_t row) noexcept nogil:
    return <size_t>column.values + row * sizeof(double)


cdef inline void touch(Ahead* ahead, Py_ssize_t i) noexcept nogil:
    """Ask for the next line of both columns, once in four lanes."""
    if i & 31 == 0:
        prefetch(ahead.one)
        prefetch(ahead.two)
        ahead.one += LANES * sizeof(double)
        ahead.two += LANES * sizeof(double)


cdef inline lanes block(Column column, Py_ssize_t row, Py_ssize_t m) noexcept nogil:
    """Return rows row to row + m, m <= 8, NaN where unknown and where there is no row."""
    cdef int64_t bit = column.start + row
    cdef unsigned bits = (1u << m) - 1u
    if column.valid != NULL:
        bits &= (column.valid[bit >> 3] >> (bit & 7)) | (
            (<unsigned>column.valid[(bit >> 3) + 1] << (8 - (bit & 7))) if (bit & 7) + m > 8 else 0u)
    return load_where(column.values + row, bits)


cdef Py_ssize_t unpack(Column column, Py_ssize_t first, Py_ssize_t n, double* out) noexcept nogil:
    """Write rows first to first + n, NaN where unknown; return the length up to whole lanes, padded with NaN."""
    cdef Py_ssize_t i
    for i in range(0, n, 8):
        store(&out[i], block(column, first + i, min(LANES, n - i)) if column.values != NULL else spread(1.0))
    if column.values == NULL:
        pad(out, n, NAN)
    return n + (LANES - n % LANES) % LANES


cdef Py_ssize_t unpack_descriptor(
    Column column, Py_ssize_t first, Py_ssize_t n, const double* inside, double* out, double* used, Ahead* ahead
) noexcept nogil:
    """Unpack, and copy what is known in the estimation universe to the front of used; return their number."""
    cdef Py_ssize_t i, found = 0
    cdef lanes v, zero = spread(0.0)
    for i in range(0, n, 8):
        touch(ahead, i)
        v = block(column, first + i, min(LANES, n - i))
        store(&out[i], v)
        found += compress(&used[found], both(known(v), less(zero, load(&inside[i]))), v)
    pad(used, found, NAN)
    return found


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


cdef double deviation(const double* x, Py_ssize_t n, double low, double high, Ahead* ahead) noexcept nogil:
    """Return the standard deviation (ddof 1) of the n padded values, clipped; 0 if they do not differ."""
    cdef Py_ssize_t i
    cdef int exponent
    cdef double plain, scale, first, last
    cdef lanes v, c, zero = spread(0.0), bottom = spread(low), top = spread(high)
    cdef lanes sums = zero, least = spread(INFINITY), most = spread(-INFINITY)
    for i in range(0, n, 8):
        touch(ahead, i)
        v = load(&x[i])
        c = clamp(v, bottom, top)
        least = choose(known(v), lesser(c, least), least)
        most = choose(known(v), greater(c, most), most)
        sums = plus(sums, choose(known(v), c, zero))
    first = smallest(least)
    last = largest(most)
    if n < 2 or not last - first > RELATIVE_FLOOR * max(fabs(first), fabs(last)):
        return 0.0
    # Squares are taken of values scaled by a power of two, so that none over- or underflows.
    frexp(last - first, &exponent)
    scale = ldexp(1.0, -max(-1000, min(1000, exponent)))
    plain = total(sums) / n
    sums = zero
    for i in range(0, n, 8):
        touch(ahead, i)
        v = load(&x[i])
        c = times(minus(clamp(v, bottom, top), spread(plain)), spread(scale))
        sums = plus(sums, choose(known(v), times(c, c), zero))
    return sqrt(total(sums) / (n - 1)) / scale


cdef double weighted_mean(
    const double* x, const double* cap, Py_ssize_t n, double low, double high
) noexcept nogil:
    """Return the mean of the clipped known values; NaN if they weigh nothing."""
    cdef Py_ssize_t i
    cdef double weight
    cdef lanes v, w, zero = spread(0.0), sums = zero, weights = zero
    for i in range(0, n, 8):
        v = load(&x[i])
        w = load(&cap[i])
        weights = plus(weights, choose(known(v), w, zero))
        sums = plus(sums, choose(known(v), times(w, clamp(v, spread(low), spread(high))), zero))
    weight = total(weights)
    return total(sums) / weight if weight > 0.0 else NAN


cdef bint fit_dense(
    const double* x,
    const double* used,
    Py_ssize_t found,
    const double* cap,
    Py_ssize_t n,
    Scaling how,
    double** spare,
    Scale* scale,
    Ahead* ahead,
) noexcept nogil:
    """Clip, subtract the weighted mean, divide by the standard deviation, clip; false if that cannot be done."""
    cdef double centre, width
    if found < how.min_assets:
        return False
    if isnan(how.deviations):
        scale.low = quantile(used, found, how.low, spare[0], spare[1])
        scale.high = quantile(used, found, how.high, spare[0], spare[1])
    else:
        centre = quantile(used, found, 0.5, spare[0], spare[1])
        width = how.deviations * median_deviation(used, found, centre, spare[2], spare[0], spare[1])
        scale.low, scale.high = centre - width, centre + width
    scale.mean = weighted_mean(x, cap, n, scale.low, scale.high)
    scale.factor = deviation(used, found, scale.low, scale.high, ahead)
    scale.factor = 1.0 / scale.factor if scale.factor > 0.0 else INFINITY
    scale.clip = how.dense_clip
    return scale.factor < INFINITY and not isnan(scale.mean)


cdef void fit_sparse(const double* used, Py_ssize_t found, double clip, Scale* scale) noexcept nogil:
    """Divide by the root mean square of the exposed values; 0 where there are none."""
    cdef Py_ssize_t i, exposed = 0
    cdef double most
    cdef lanes v, size, zero = spread(0.0), highest = zero, sums = zero
    cdef flags f
    for i in range(0, found, 8):
        size = magnitude(load(&used[i]))
        f = less(zero, size)
        exposed += count(f)
        highest = choose(f, greater(size, highest), highest)
    most = largest(highest)
    # Squares are taken of scaled values, so that none over- or underflows.
    for i in range(0, found, 8):
        v = load(&used[i])
        f = less(zero, magnitude(v))
        v = over(v, spread(most))
        sums = plus(sums, choose(f, times(v, v), zero))
    scale.factor = 1.0 / (most * sqrt(total(sums) / exposed)) if exposed else INFINITY
    scale.clip = clip
    if not scale.factor < INFINITY:
        scale.low = scale.high = scale.factor = 0.0


cdef void add_up(
    const double* x,
    Py_ssize_t n,
    Scale scale,
    double weight,
    bint first,
    double* sums,
    double* weights,
    Ahead* ahead,
) noexcept nogil:
    """Scale a descriptor and add it to the weighted sum of those that are known."""
    cdef Py_ssize_t i
    cdef lanes v, z, zero = spread(0.0)
    for i in range(0, n, 8):
        touch(ahead, i)
        v = load(&x[i])
        z = times(minus(clamp(v, spread(scale.low), spread(scale.high)), spread(scale.mean)), spread(scale.factor))
        z = times(clamp(z, spread(-scale.clip), spread(scale.clip)), spread(weight))
        z = choose(known(v), z, zero)
        v = choose(known(v), spread(weight), zero)
        store(&sums[i], z if first else plus(load(&sums[i]), z))
        store(&weights[i], v if first else plus(load(&weights[i]), v))


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


cdef double weigh(const double* w, const double* x, Py_ssize_t n, double* out) noexcept nogil:
    """out = w * x where w > 0, else 0; return the sum of out * x."""
    cdef Py_ssize_t i
    cdef lanes v, y, zero = spread(0.0), sums = zero
    cdef flags f
    for i in range(0, n, 8):
        v = load(&w[i])
        y = load(&x[i])
        f = less(zero, v)
        v = choose(f, times(v, y), zero)
        store(&out[i], v)
        sums = plus(sums, choose(f, times(v, y), zero))
    return total(sums)


cdef double dot(const double* w, const double* a, const double* b, const double* c, Py_ssize_t n) noexcept nogil:
    """Return the sum of a * (b - c) where w > 0; without c of a * b."""
    cdef Py_ssize_t i
    cdef lanes v, zero = spread(0.0), sums = zero
    for i in range(0, n, 8):
        v = load(&b[i])
        v = times(load(&a[i]), v if c == NULL else minus(v, load(&c[i])))
        sums = plus(sums, choose(less(zero, load(&w[i])), v, zero))
    return total(sums)


cdef void add_by_industry(
    const int32_t* code, const double* x, Py_ssize_t n, double* sums, Py_ssize_t groups
) noexcept nogil:
    """sums[g] = sum of x over the rows of industry g."""
    cdef Py_ssize_t i
    for i in range(groups):
        sums[i] = 0.0
    for i in range(n):
        sums[code[i]] += x[i]


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
    double[:, ::1] means,
    double* spare,
    Ahead* ahead,
) noexcept nogil:
    """Replace y by its residual on industries and controls x, and write the fit; NaN where there is none.

    The dummies are never built: values are demeaned within industry (Frisch, Waugh and Lovell), which leaves a
    system of the size of the controls. A row that is not in the fit weighs nothing, so that no loop has to guess;
    the last industry holds the rows of none and has no mean. means has a row for the weights, for y, and for each
    control, an entry per industry. weight and x are overwritten.
    """
    cdef Py_ssize_t i, k, m, g, found = 0, industries = 0, groups = means.shape[1], nobody = groups - 1
    cdef double[MAX_CONTROLS * MAX_CONTROLS] a
    cdef double[MAX_CONTROLS] beta, floor_of
    cdef double *mean
    cdef flags used
    cdef lanes v, zero = spread(0.0)
    for i in range(n):
        weight[i] = weight[i] if code[i] < nobody else 0.0
    for i in range(0, end, 8):
        touch(ahead, i)
        v = load(&weight[i])
        used = both(both(less(zero, v), less(zero, load(&inside[i]))), known(load(&y[i])))
        for k in range(size):
            used = both(used, known(load(&x[k][i])))
        store(&weight[i], choose(used, v, zero))
        found += count(used)
    add_by_industry(code, weight, n, &means[0, 0], groups)
    weigh(weight, y, end, spare)
    add_by_industry(code, spare, n, &means[1, 0], groups)
    for k in range(size):
        floor_of[k] = RELATIVE_FLOOR * weigh(weight, x[k], end, spare)
        add_by_industry(code, spare, n, &means[2 + k, 0], groups)
    for g in range(nobody):
        industries += means[0, g] > 0.0
    if found - industries - size < 1:
        return TOO_FEW
    for k in range(1, size + 2):
        for g in range(groups):
            means[k, g] = means[k, g] / means[0, g] if g < nobody and means[0, g] > 0.0 else NAN
    mean = &means[1, 0]
    for i in range(n):
        fit[i] = mean[code[i]]
    for k in range(size):
        mean = &means[2 + k, 0]
        for i in range(n):
            x[k][i] -= mean[code[i]]
    for k in range(size):
        a[k * MAX_CONTROLS + k] = weigh(weight, x[k], end, spare)
        for m in range(k):
            a[k * MAX_CONTROLS + m] = dot(weight, spare, x[m], NULL, end)
        beta[k] = dot(weight, spare, y, fit, end)
        # Judged against what varies within industries, so that the origin of a control does not matter; the other
        # term is what demeaning leaves of a control that does not vary at all.
        floor_of[k] = max(a[k * MAX_CONTROLS + k], floor_of[k])
    if not cholesky(a, beta, floor_of, size):
        return RANK_DEFICIENT
    for i in range(0, end, 8):
        touch(ahead, i)
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
    in whole lanes plus two, groups 2 + n_controls rows and a place more than there are industries. Empty fitted:
    not wanted.
    """
    cdef Column[MAX_COLUMNS] column
    cdef Scaling how
    cdef Ahead ahead
    cdef Scale scale
    cdef double mean, std
    cdef bint blank
    cdef Py_ssize_t d, i, k, n, end, found, a, descriptors = methods.shape[0]
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
    cdef Py_ssize_t size = max(n_controls, 0), nobody = groups.shape[1] - 1
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
                v = load(&cap[i])
                store(&cap[i], choose(both(known(v), less(zero, load(&inside[i]))), v, zero))
            blank = True
            for k in range(descriptors):
                ahead.one = address(column[min(k + 1, descriptors - 1)], a)
                ahead.two = address(column[descriptors + min(k, size + 1)], a)
                found = unpack_descriptor(column[k], a, n, inside, x, spare[3], &ahead)
                scale.low, scale.high, scale.clip = -INFINITY, INFINITY, INFINITY
                scale.mean, scale.factor = 0.0, 1.0
                if methods[k] == SPARSE:
                    fit_sparse(spare[3], found, how.sparse_clip, &scale)
                elif methods[k] == DENSE:
                    if not fit_dense(x, spare[3], found, cap, end, how, spare, &scale, &ahead):
                        continue
                add_up(x, end, scale, weights[k], blank, sums, known_weight, &ahead)
                blank = False
            if blank:
                for i in range(0, end, 8):
                    store(&known_weight[i], zero)
            for i in range(0, end, 8):
                w = load(&known_weight[i])
                store(&sums[i], choose(less(zero, w), over(load(&sums[i]), w), spread(NAN)))
            if n_controls >= 0:
                for k in range(size):
                    unpack(column[descriptors + k], a, n, controls[k])
                unpack(column[descriptors + size + 1], a, n, weight)
                ahead.one = address(column[0], a + n)
                ahead.two = address(column[descriptors + size], a + n)
                for i in range(n):
                    scratch_codes[i] = codes[a + i] if codes[a + i] >= 0 else <int32_t>nobody
                status[d] = neutralize(
                    sums, fit, controls, weight, inside, &scratch_codes[0], n, end, size, groups, spare[1],
                    &ahead)
                if status[d] != SCORED:
                    for i in range(n):
                        sums[i] = fit[i] = NAN
                if fitted.shape[0]:
                    for i in range(n):
                        fitted[a + i] = fit[i]
            pad(sums, n, NAN)
            if restandardize and status[d] == SCORED:
                found = 0
                for i in range(0, end, 8):
                    v = load(&sums[i])
                    found += compress(&x[found], both(known(v), less(zero, load(&inside[i]))), v)
                pad(x, found, NAN)
                mean = weighted_mean(sums, cap, end, -INFINITY, INFINITY)
                std = deviation(x, found, -INFINITY, INFINITY, &ahead)
                if not std > 0.0 or isnan(mean):
                    status[d] = NO_DISPERSION
                    std = NAN
                for i in range(0, end, 8):
                    store(&sums[i], times(minus(load(&sums[i]), spread(mean)), spread(1.0 / std)))
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
