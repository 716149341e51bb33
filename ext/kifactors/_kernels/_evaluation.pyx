"""Values against what followed them: correlations and quantile portfolios of each date.

Cost: linear. The values of a date find their places once, and each column of returns. Where returns are missing,
places among the others are counted from those. Places in a quantile are whole numbers: nobody crosses an edge by a
rounding.
Every function trusts its caller: `kifactors._kernels` has checked types, lengths and offsets.
"""

from libc.math cimport NAN, fabs, frexp, isfinite, isinf, isnan, ldexp, sqrt
from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint64_t

from kifactors._kernels._lanes cimport (
    LANES, both, coded, compress, flags, known as there, lanes, less, load, minus, plus, prefetch, spread,
    times, total)
from kifactors._kernels._places cimport Room, bounds, find_places, find_places_among, room_in

cdef enum:
    FEWEST = 3          # pairs that have a correlation
    COLUMNS = 256       # of returns, the most
    BUCKETS = 101       # the most, and one for the names in none
    NARROW = 32768      # names whose products of places fit 32 bits


cdef double place_products(const int32_t* a, const int32_t* b, Py_ssize_t n) noexcept nogil:
    """Add up the products of places: whole numbers, so that sums are exact in any order."""
    cdef Py_ssize_t i
    cdef int64_t whole = 0
    cdef double large = 0.0
    if n <= NARROW:
        for i in range(n):
            whole += a[i] * b[i]
        return <double>whole
    for i in range(n):
        # Below 2**53, and thus exact, up to 300,000 names.
        large += <double>a[i] * b[i]
    return large


cdef void bucket_by_rank(Py_ssize_t n, Py_ssize_t q, int8_t* out) noexcept nogil:
    """Write 1 to q for each number of smaller ones: the first whose edge, the percentile k / q, is not below."""
    cdef Py_ssize_t i, k = 1, edge = (n - 1) // q
    for i in range(n):
        # The edge lies at the place k (n - 1) / q or above it, and below the next one.
        while i > edge:
            k += 1
            edge = k * (n - 1) // q
        out[i] = <int8_t>k


cdef inline void ask_for(const double* x, Py_ssize_t n) noexcept nogil:
    """Have numbers brought from memory that are needed next; they need not be there."""
    cdef Py_ssize_t i
    for i in range(0, n, 8):
        prefetch(<size_t>&x[i])


cdef Py_ssize_t rows_of(const double* x, const uint8_t* mask, Py_ssize_t n, int32_t* rows) noexcept nogil:
    """Write the rows that are known and in the mask, if there is one; return their number."""
    cdef Py_ssize_t i, found = 0
    for i in range(n):
        rows[found] = <int32_t>i
        found += <bint>(not isnan(x[i]) and (mask == NULL or mask[i]))
    return found


cdef double deviation(const double* x, Py_ssize_t n, double start) noexcept nogil:
    """Return the mean deviation from start."""
    cdef lanes a = spread(0.0), b = a, c = a, d = a, s = spread(start)
    cdef Py_ssize_t i, fours = n - n % (4 * LANES), whole = n - n % LANES
    cdef double found
    for i in range(0, fours, 32):
        a = plus(a, minus(load(&x[i]), s))
        b = plus(b, minus(load(&x[i + 8]), s))
        c = plus(c, minus(load(&x[i + 16]), s))
        d = plus(d, minus(load(&x[i + 24]), s))
    for i in range(fours, whole, 8):
        a = plus(a, minus(load(&x[i]), s))
    found = total(plus(plus(a, b), plus(c, d)))
    for i in range(whole, n):
        found += x[i] - start
    return found / n


cdef void products(
    const double* x, const double* y, Py_ssize_t n, double* xy, double* xx, double* yy
) noexcept nogil:
    """Add up the products of the deviations from the means.

    Deviations are taken twice: from the mean as it is rounded, and from the rest of it. At a level of 1e16 that
    leaves their digits.
    """
    cdef double mean_x = deviation(x, n, 0.0), mean_y = deviation(y, n, 0.0)
    cdef double rest_x = deviation(x, n, mean_x), rest_y = deviation(y, n, mean_y), p, q
    cdef lanes a, b, sums = spread(0.0), squares = sums, others = sums
    cdef lanes m = spread(mean_x), k = spread(mean_y), r = spread(rest_x), s = spread(rest_y)
    cdef Py_ssize_t i, whole = n - n % LANES
    for i in range(0, whole, 8):
        a = minus(minus(load(&x[i]), m), r)
        b = minus(minus(load(&y[i]), k), s)
        sums = plus(sums, times(a, b))
        squares = plus(squares, times(a, a))
        others = plus(others, times(b, b))
    xy[0], xx[0], yy[0] = total(sums), total(squares), total(others)
    for i in range(whole, n):
        p = x[i] - mean_x - rest_x
        q = y[i] - mean_y - rest_y
        xy[0] += p * q
        xx[0] += p * p
        yy[0] += q * q


cdef int scale(const double* x, Py_ssize_t n, double* out) noexcept nogil:
    """Divide by a power of two: the largest size comes between 1/2 and 1; what vanishes was nothing to it."""
    cdef double largest = 0.0
    cdef int power
    cdef Py_ssize_t i
    for i in range(n):
        largest = max(largest, fabs(x[i]))
    frexp(largest, &power)
    for i in range(n):
        out[i] = ldexp(x[i], -power)
    return power


cdef inline bint ordinary(double squares) noexcept nogil:
    """Return whether a sum of squares neither overflowed nor lost digits to underflow; not NaN."""
    return 1e-250 < squares < 1e250


cdef inline double ratio(double xy, double xx, double yy) noexcept nogil:
    """Return a correlation from ordinary sums."""
    cdef double squares = xx * yy
    # The root of a square is exact: a perfect correlation is 1. Very large or small ones take two roots.
    cdef double root = sqrt(squares) if 1e-290 < squares < 1e290 else sqrt(xx) * sqrt(yy)
    return max(-1.0, min(1.0, xy / root))


cdef double product_moment(
    const double* x, const double* y, Py_ssize_t n, double* x_work, double* y_work
) noexcept nogil:
    """Return Pearson's correlation of numbers of any size, neither side constant; work may be the side itself."""
    cdef double xy, xx, yy
    products(x, y, n, &xy, &xx, &yy)
    if not (ordinary(xx) and ordinary(yy)):
        # Now nothing overflows, and the largest deviation is at least a rounding of 1.
        scale(x, n, x_work)
        scale(y, n, y_work)
        products(x_work, y_work, n, &xy, &xx, &yy)
    return ratio(xy, xx, yy)


def correlate(
    const double[::1] values not None,
    list columns not None,
    const uint8_t[::1] mask not None,
    const int64_t[::1] offsets not None,
    Py_ssize_t first,
    Py_ssize_t last,
    Py_ssize_t n_buckets,
    uint64_t[:, ::1] scratch not None,
    int32_t[:, ::1] counts not None,
    double[:, ::1] numbers not None,
    int8_t[::1] bucket_of not None,
    int64_t[:, ::1] n not None,
    double[:, ::1] pearson not None,
    double[:, ::1] spearman not None,
    int8_t[::1] buckets not None,
):
    """Correlate values with each column over the rows where both are known; return whether one was infinite.

    mask chooses rows, empty: all of them. n_buckets 0: buckets is not written. scratch has ROOM_ROWS rows, counts
    six and numbers three, all as long as the longest date and EDGE more, as is bucket_of.
    """
    cdef const double* returns[COLUMNS]
    cdef const double[::1] view
    cdef const double *x
    cdef const double *y
    cdef const double *x_both
    cdef const double *y_both
    cdef const int32_t *x_places
    cdef Room room = room_in(&scratch[0, 0], scratch.shape[1])
    cdef int32_t *rows = &counts[0, 0]
    cdef int32_t *chosen = &counts[1, 0]
    cdef int32_t *smaller = &counts[2, 0]
    cdef int32_t *all_places = &counts[3, 0]
    cdef int32_t *few_places = &counts[4, 0]
    cdef int32_t *y_places = &counts[5, 0]
    cdef double *x_known = &numbers[0, 0]
    cdef double *x_work = &numbers[1, 0]
    cdef double *y_work = &numbers[2, 0]
    cdef Py_ssize_t d, c, a, i, row, size, usable, kept, table_of = -1, n_columns = len(columns)
    cdef double low, high, x_low, x_high, xx, all_xx
    cdef bint infinite = False
    for c in range(n_columns):
        view = columns[c]
        returns[c] = &view[0] if view.shape[0] else NULL
    with nogil:
        for d in range(first, last):
            for c in range(n_columns):
                n[d, c] = 0
                pearson[d, c] = NAN
                spearman[d, c] = NAN
            a = offsets[d]
            size = offsets[d + 1] - a
            if size == 0:
                continue
            x = &values[a]
            usable = bounds(x, size, &x_low, &x_high)
            if mask.shape[0] or usable < size:
                usable = rows_of(x, &mask[a] if mask.shape[0] else NULL, size, rows)
                for i in range(usable):
                    x_known[i] = x[rows[i]]
                x = x_known
                bounds(x, usable, &x_low, &x_high)
            if usable == 0:
                continue
            if n_columns:
                ask_for(returns[0] + a, size)
            if isinf(x_low) or isinf(x_high):
                infinite = True
                break
            find_places(x, usable, x_low, x_high, room, smaller, all_places)
            all_xx = place_products(all_places, all_places, usable)
            if usable >= n_buckets > 0:
                if table_of != usable:
                    bucket_by_rank(usable, n_buckets, &bucket_of[0])
                    table_of = usable
                if usable == size:
                    for i in range(usable):
                        buckets[a + i] = bucket_of[smaller[i]]
                else:
                    for i in range(usable):
                        buckets[a + rows[i]] = bucket_of[smaller[i]]
            for c in range(n_columns):
                y = returns[c] + a
                kept = bounds(y, size, &low, &high)
                x_both, y_both, x_places, xx = x, y, all_places, all_xx
                if usable < size or kept < size:
                    kept = 0
                    for i in range(usable):
                        row = i if usable == size else rows[i]
                        chosen[kept] = <int32_t>i
                        y_work[kept] = y[row]
                        kept += <bint>(not isnan(y[row]))
                    y_both = y_work
                    bounds(y_both, kept, &low, &high)
                n[d, c] = kept
                if c + 1 < n_columns:
                    ask_for(returns[c + 1] + a, size)
                else:
                    ask_for(&values[0] + a + size, size)
                if kept and (isinf(low) or isinf(high)):
                    infinite = True
                    break
                if kept < FEWEST or low == high or x_low == x_high:
                    continue
                if kept < usable:
                    find_places_among(smaller, chosen, kept, usable, room, few_places)
                    xx = place_products(few_places, few_places, kept)
                    # The values of these are all equal.
                    if xx == 0.0:
                        continue
                    for i in range(kept):
                        x_work[i] = x[chosen[i]]
                    x_both, x_places = x_work, few_places
                find_places(y_both, kept, low, high, room, NULL, y_places)
                spearman[d, c] = ratio(
                    place_products(x_places, y_places, kept), xx, place_products(y_places, y_places, kept))
                pearson[d, c] = product_moment(x_both, y_both, kept, x_work, y_work)
    return infinite


def forward_returns(
    const double[:, ::1] values not None,
    const int32_t[:, ::1] gaps not None,
    const int64_t[::1] ends not None,
    const int64_t[::1] places not None,
    const uint8_t[::1] known not None,
    const int64_t[::1] offsets not None,
    const int64_t[:, ::1] entries not None,
    const int64_t[:, ::1] exits not None,
    Py_ssize_t first,
    Py_ssize_t last,
    double[:, ::1] out not None,
    uint8_t[:, ::1] codes not None,
):
    """Write what each row earned between entry and exit of its date, and why nothing is known of the others.

    values and gaps are sessions x assets, gaps empty: none. ends is the last session of each asset, places the
    asset of each row, -1 for none. entries and exits are columns x dates, an entry of -1 for none. The codes: 1
    unknown value, 2 no entry, 3 no asset, 4 no price at entry, 5 exit after the last session, 6 no price at exit,
    7 the asset ended, 8 an unknown return on the way.
    """
    cdef Py_ssize_t c, d, i, asset, entry, exit_at, sessions = values.shape[0]
    cdef bint holed = gaps.shape[0] > 0
    cdef double start, end
    cdef uint8_t code
    with nogil:
        for c in range(entries.shape[0]):
            for d in range(first, last):
                entry = entries[c, d]
                exit_at = exits[c, d]
                for i in range(offsets[d], offsets[d + 1]):
                    out[c, i] = NAN
                    asset = places[i]
                    if not known[i]:
                        code = 1
                    elif entry < 0:
                        code = 2
                    elif asset < 0:
                        code = 3
                    else:
                        start = values[entry, asset]
                        # What is left after the end is no price to enter at; nor is the nothing of a total loss.
                        if not start > 0.0 or entry > ends[asset]:
                            code = 4
                        elif exit_at >= sessions:
                            code = 5
                        else:
                            end = values[exit_at, asset]
                            if isnan(end):
                                code = 7 if exit_at > ends[asset] else 6
                            elif holed and gaps[min(exit_at, ends[asset]), asset] > gaps[entry, asset]:
                                code = 8
                            else:
                                code = 0
                                out[c, i] = end / start - 1.0
                    codes[c, i] = code


cdef Py_ssize_t members(
    const int8_t* buckets, int8_t bucket, const double* x, const double* w, Py_ssize_t n, double* out,
    double* w_out,
) noexcept nogil:
    """Copy the known numbers of a bucket, and their weights where there are any and they are above 0."""
    cdef Py_ssize_t i, found = 0, whole = n - n % LANES
    cdef lanes v, weight, zero = spread(0.0)
    cdef flags those
    for i in range(0, whole, 8):
        v = load(&x[i])
        those = both(there(v), coded(&buckets[i], bucket))
        if w != NULL:
            weight = load(&w[i])
            those = both(those, less(zero, weight))
            compress(&w_out[found], those, weight)
        found += compress(&out[found], those, v)
    for i in range(whole, n):
        if buckets[i] == bucket and not isnan(x[i]) and (w == NULL or w[i] > 0.0):
            out[found] = x[i]
            if w != NULL:
                w_out[found] = w[i]
            found += 1
    return found


cdef double weighted(const double* x, const double* w, Py_ssize_t n, double start) noexcept nogil:
    """Return the weighted mean, of numbers that are not far from start."""
    cdef double together = 0.0, weight = 0.0
    cdef Py_ssize_t i
    for i in range(n):
        together += w[i] * (x[i] - start)
        weight += w[i]
    return start + together / weight


cdef bint moderate(const double* x, Py_ssize_t n) noexcept nogil:
    """Return whether products of such numbers and their sums neither overflow nor vanish."""
    cdef bint extreme = False
    cdef double size
    cdef Py_ssize_t i
    for i in range(n):
        size = fabs(x[i])
        extreme |= (size > 1e100) | ((size > 0.0) & (size < 1e-100))
    return not extreme


cdef double mean_of(double* x, double* w, Py_ssize_t n, bint has_weights) noexcept nogil:
    """Return the mean in two passes, the mean and the mean of what rounding left of it; may scale both.

    Not finite only if one of them is not.
    """
    cdef int power = 0
    cdef double mean
    if not has_weights:
        mean = deviation(x, n, 0.0)
        mean += deviation(x, n, mean)
        if isfinite(mean):
            return mean
        power = scale(x, n, x)
        mean = deviation(x, n, 0.0)
        return ldexp(mean + deviation(x, n, mean), power)
    if not (moderate(x, n) and moderate(w, n)):
        power = scale(x, n, x)
        scale(w, n, w)
    return ldexp(weighted(x, w, n, weighted(x, w, n, 0.0)), power)


def bucket_means(
    const int8_t[::1] buckets not None,
    list columns not None,
    const double[::1] weights not None,
    const int64_t[::1] offsets not None,
    Py_ssize_t first,
    Py_ssize_t last,
    double[:, ::1] numbers not None,
    int64_t[:, :, ::1] n not None,
    double[:, :, ::1] means not None,
):
    """Mean of the known returns of each bucket, date by date; return whether one was infinite.

    Weights above 0 count, empty: all alike. numbers has two rows as long as the longest date and LANES more.
    """
    cdef const double* returns[COLUMNS]
    cdef const double[::1] view
    cdef const double *w = NULL
    cdef Py_ssize_t d, c, k, a, rows, found, n_columns = len(columns)
    cdef bint infinite = False
    for c in range(n_columns):
        view = columns[c]
        returns[c] = &view[0] if view.shape[0] else NULL
    with nogil:
        for d in range(first, last):
            a = offsets[d]
            rows = offsets[d + 1] - a
            for c in range(n_columns if rows else 0):
                if weights.shape[0]:
                    w = &weights[a]
                for k in range(n.shape[2]):
                    found = members(
                        &buckets[a], <int8_t>(k + 1), returns[c] + a, w, rows, &numbers[0, 0], &numbers[1, 0])
                    n[d, c, k] = found
                    means[d, c, k] = mean_of(&numbers[0, 0], &numbers[1, 0], found, w != NULL) if found else NAN
                    infinite |= found > 0 and not isfinite(means[d, c, k])
    return infinite


def hold(
    const int8_t[::1] buckets not None,
    const double[::1] returns not None,
    const double[::1] weights not None,
    const int64_t[::1] assets not None,
    const int64_t[::1] offsets not None,
    const int64_t[::1] dates not None,
    double[::1] held not None,
    int8_t[::1] held_in not None,
    double[::1] row_weights not None,
    int64_t[:, ::1] n not None,
    double[:, ::1] earned not None,
    double[:, ::1] traded not None,
):
    """Hold every bucket from each of the dates to the next one; weights drift in between.

    A row is held if it has a bucket, a known return and, where there are weights, one above 0. held and held_in
    are 0 for every asset: its weight after a period, and its bucket. row_weights is as long as the longest date.
    earned is NaN where nobody is held; traded, half of what is bought and sold, until somebody was.
    """
    cdef double size[BUCKETS]
    cdef double left[BUCKETS]       # what was held at the end of the period before, less what stays
    cdef double bought[BUCKETS]     # and sold, of the names that are in
    cdef double gain[BUCKETS]
    cdef int64_t count[BUCKETS]
    cdef bint ever[BUCKETS]
    cdef Py_ssize_t t, i, a, b, asset, before = -1, q = n.shape[0]
    cdef double w, kept, grown
    cdef int8_t bucket
    with nogil:
        for b in range(q + 1):
            left[b], ever[b] = 0.0, False
        for t in range(dates.shape[0]):
            a, b = offsets[dates[t]], offsets[dates[t] + 1]
            for bucket in range(q + 1):
                size[bucket], bought[bucket], gain[bucket], count[bucket] = 0.0, 0.0, 0.0, 0
            for i in range(a, b):
                bucket = buckets[i] if buckets[i] > 0 and not isnan(returns[i]) else 0
                w = 1.0
                if weights.shape[0]:
                    w = weights[i]
                    if not w > 0.0:
                        bucket, w = 0, 0.0
                row_weights[i - a] = w if bucket else 0.0
                size[bucket] += w
                count[bucket] += 1
            for i in range(a, b):
                w = row_weights[i - a]
                if w == 0.0:
                    continue
                bucket, asset = buckets[i], assets[i]
                w /= size[bucket]
                row_weights[i - a] = w
                gain[bucket] += w * returns[i]
                kept = held[asset] if held_in[asset] == bucket else 0.0
                left[bucket] -= kept
                bought[bucket] += fabs(w - kept)
            # Who is out now is nowhere.
            if before >= 0:
                for i in range(offsets[before], offsets[before + 1]):
                    held_in[assets[i]] = 0
            for bucket in range(1, q + 1):
                n[bucket - 1, t] = count[bucket]
                earned[bucket - 1, t] = gain[bucket] if count[bucket] else NAN
                # What rounding left is nothing that was sold.
                w = 0.5 * (bought[bucket] + max(left[bucket], 0.0))
                traded[bucket - 1, t] = w if ever[bucket] else NAN
                ever[bucket] |= count[bucket] > 0
                left[bucket] = 0.0
            for i in range(a, b):
                w = row_weights[i - a]
                if w == 0.0:
                    continue
                bucket, asset = buckets[i], assets[i]
                grown = 1.0 + gain[bucket]
                w = w * (1.0 + returns[i]) / (grown if grown > 0.0 else 1.0)
                held[asset], held_in[asset] = w, bucket
                left[bucket] += w
            before = dates[t]
