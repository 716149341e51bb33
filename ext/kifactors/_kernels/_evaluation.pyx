"""Values against what followed them: correlations and quantile portfolios of each date.

Cost: linear. The values of a date are sorted once. Where returns are missing, ranks and their ties are read off
that order again without sorting; each column of returns is sorted once. Places in a quantile are whole numbers:
nobody crosses an edge by a rounding.
Every function trusts its caller: `kifactors._kernels` has checked types, lengths and offsets.
"""

from libc.math cimport NAN, fabs, frexp, isnan, ldexp, sqrt
from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t

from kifactors._kernels._lanes cimport LANES, lanes, load, minus, plus, spread, times, total
from kifactors._kernels._sorting cimport sort_values, sortable

cdef enum:
    FEWEST = 3          # pairs that have a correlation
    COLUMNS = 256       # of returns, the most
    BUCKETS = 100       # the most there can be


cdef inline bint tied(uint64_t a, uint64_t b, const uint64_t* keys) noexcept nogil:
    """Return whether two neighbours of a sorted run are equal; equal keys have equal upper halves."""
    return (a ^ b) >> 32 == 0 and keys[<uint32_t>a] == keys[<uint32_t>b]


cdef double centred_ranks(
    const uint64_t* pairs, Py_ssize_t n, const uint64_t* keys, double* out
) noexcept nogil:
    """Write twice the average rank less its mean, n + 1, at the place of each row, and return the sum of squares.

    All of them are whole numbers, so that sums are exact (below 2**53, for up to 100,000 names) in any order.
    """
    cdef Py_ssize_t i = 0, j, k
    cdef double value, squares = 0.0
    while i < n:
        j = i + 1
        while j < n and tied(pairs[j], pairs[j - 1], keys):
            j += 1
        # Ranks i + 1 to j: twice their mean is i + 1 + j.
        value = <double>(i + j - n)
        squares += (j - i) * (value * value)
        for k in range(i, j):
            out[<uint32_t>pairs[k]] = value
        i = j
    return squares


cdef void buckets_of(
    const uint64_t* pairs, Py_ssize_t n, const uint64_t* keys, Py_ssize_t q, int8_t* out
) noexcept nogil:
    """Write 1 to q: the first whose edge, the percentile k / q, is not below the value. Equal values share one."""
    cdef Py_ssize_t i = 0, j, k = 1, m, edge = (n - 1) // q
    while i < n:
        j = i + 1
        while j < n and tied(pairs[j], pairs[j - 1], keys):
            j += 1
        # The edge lies at the place k (n - 1) / q or above it, and below the next one.
        while i > edge:
            k += 1
            edge = k * (n - 1) // q
        for m in range(i, j):
            out[<uint32_t>pairs[m]] = <int8_t>k
        i = j


cdef double added(const double* x, Py_ssize_t n) noexcept nogil:
    """Return the sum."""
    cdef lanes sums = spread(0.0)
    cdef Py_ssize_t i, whole = n - n % LANES
    cdef double found
    for i in range(0, whole, 8):
        sums = plus(sums, load(&x[i]))
    found = total(sums)
    for i in range(whole, n):
        found += x[i]
    return found


cdef double distance(const double* x, Py_ssize_t n, double mean) noexcept nogil:
    """Return how far the mean is from one that was rounded, or of which a sum lost digits."""
    cdef lanes sums = spread(0.0), m = spread(mean)
    cdef Py_ssize_t i, whole = n - n % LANES
    cdef double found
    for i in range(0, whole, 8):
        sums = plus(sums, minus(load(&x[i]), m))
    found = total(sums)
    for i in range(whole, n):
        found += x[i] - mean
    return found / n


cdef void products(
    const double* x, const double* y, Py_ssize_t n, double* xy, double* xx, double* yy
) noexcept nogil:
    """Add up the products of the deviations from the means.

    Deviations are taken twice: from the mean as it is rounded, and from the rest of it. At a level of 1e16 that
    leaves their digits.
    """
    cdef double mean_x = added(x, n) / n, mean_y = added(y, n) / n
    cdef double rest_x = distance(x, n, mean_x), rest_y = distance(y, n, mean_y), p, q
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


cdef void scale(double* x, Py_ssize_t n) noexcept nogil:
    """Divide by a power of two: the largest size comes between 1/2 and 1; what vanishes was nothing to it."""
    cdef double largest = 0.0
    cdef int power
    cdef Py_ssize_t i
    for i in range(n):
        largest = max(largest, fabs(x[i]))
    frexp(largest, &power)
    for i in range(n):
        x[i] = ldexp(x[i], -power)


cdef inline bint ordinary(double squares) noexcept nogil:
    """Return whether a sum of squares neither overflowed nor lost digits to underflow; not NaN."""
    return 1e-250 < squares < 1e250


cdef inline double ratio(double xy, double xx, double yy) noexcept nogil:
    """Return a correlation from ordinary sums."""
    cdef double both = xx * yy
    # The root of a square is exact: a perfect correlation is 1. Very large or small ones take two roots.
    both = sqrt(both) if 1e-290 < both < 1e290 else sqrt(xx) * sqrt(yy)
    return max(-1.0, min(1.0, xy / both))


cdef double product_moment(double* x, double* y, Py_ssize_t n) noexcept nogil:
    """Return Pearson's correlation of numbers of any size, neither side constant; may overwrite both."""
    cdef double xy, xx, yy
    products(x, y, n, &xy, &xx, &yy)
    if not (ordinary(xx) and ordinary(yy)):
        # Now nothing overflows, and the largest deviation is at least a rounding of 1.
        scale(x, n)
        scale(y, n)
        products(x, y, n, &xy, &xx, &yy)
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
    double[:, ::1] numbers not None,
    int64_t[:, ::1] n not None,
    double[:, ::1] pearson not None,
    double[:, ::1] spearman not None,
    int8_t[::1] buckets not None,
):
    """Correlate values with each column over the rows where both are known, date by date.

    mask chooses rows, empty: all of them. n_buckets 0: buckets is not written. scratch has five rows and numbers
    four, as long as the longest date.
    """
    cdef const double* returns[COLUMNS]
    cdef const double *y
    cdef const double[::1] view
    cdef Py_ssize_t d, c, a, i, row, known, kept, n_columns = len(columns)
    cdef uint64_t key, least, most
    cdef uint64_t *x_keys = &scratch[0, 0]
    cdef uint64_t *x_pairs = &scratch[1, 0]
    cdef uint64_t *spare = &scratch[2, 0]
    cdef uint64_t *y_keys = &scratch[3, 0]
    cdef uint64_t *y_pairs = &scratch[4, 0]
    cdef double *x_ranks = &numbers[0, 0]
    cdef double *y_ranks = &numbers[1, 0]
    cdef double *x_kept = &numbers[2, 0]
    cdef double *y_kept = &numbers[3, 0]
    cdef double xy, x_squares = 0.0, y_squares
    cdef bint masked = mask.shape[0] > 0, whole, constant
    for c in range(n_columns):
        view = columns[c]
        returns[c] = &view[0] if view.shape[0] else NULL
    with nogil:
        for d in range(first, last):
            a = offsets[d]
            known = 0
            least = ~<uint64_t>0
            most = 0
            for i in range(offsets[d + 1] - a):
                if isnan(values[a + i]) or (masked and not mask[a + i]):
                    continue
                key = sortable(values[a + i])
                least = min(least, key)
                most = max(most, key)
                x_keys[i] = key
                x_pairs[known] = i
                known += 1
            for c in range(n_columns):
                n[d, c] = 0
                pearson[d, c] = NAN
                spearman[d, c] = NAN
            if known == 0:
                continue
            sort_values(x_pairs, spare, known, x_keys, &values[a], least, most)
            if known >= n_buckets > 0:
                buckets_of(x_pairs, known, x_keys, n_buckets, &buckets[a])
            constant = least == most
            whole = False
            for c in range(n_columns):
                y = returns[c] + a
                kept = 0
                least = ~<uint64_t>0
                most = 0
                # In the order of rows, which is that of memory.
                for i in range(offsets[d + 1] - a):
                    if isnan(y[i]) or isnan(values[a + i]) or (masked and not mask[a + i]):
                        continue
                    key = sortable(y[i])
                    least = min(least, key)
                    most = max(most, key)
                    y_keys[i] = key
                    y_pairs[kept] = i
                    x_kept[kept] = values[a + i]
                    y_kept[kept] = y[i]
                    kept += 1
                n[d, c] = kept
                if kept < FEWEST or least == most or constant:
                    continue
                if not (whole and kept == known):
                    i = 0
                    for row in range(known):
                        if not isnan(y[<uint32_t>x_pairs[row]]):
                            spare[i] = x_pairs[row]
                            i += 1
                    if x_keys[<uint32_t>spare[0]] == x_keys[<uint32_t>spare[kept - 1]]:
                        continue
                    x_squares = centred_ranks(spare, kept, x_keys, x_ranks)
                    whole = kept == known
                pearson[d, c] = product_moment(x_kept, y_kept, kept)
                sort_values(y_pairs, spare, kept, y_keys, y, least, most)
                y_squares = centred_ranks(y_pairs, kept, y_keys, y_ranks)
                xy = 0.0
                if kept == offsets[d + 1] - a:
                    # In the order of memory; whole numbers add up alike in any order.
                    for i in range(kept):
                        xy += x_ranks[i] * y_ranks[i]
                else:
                    for i in range(kept):
                        row = <uint32_t>y_pairs[i]
                        xy += x_ranks[row] * y_ranks[row]
                spearman[d, c] = ratio(xy, x_squares, y_squares)


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


cdef bint moderate(const double* x, Py_ssize_t n) noexcept nogil:
    """Return whether products of such numbers and their sums neither overflow nor vanish; NaN may be there."""
    cdef bint extreme = False
    cdef double size
    cdef Py_ssize_t i
    for i in range(n):
        size = fabs(x[i])
        extreme |= (size > 1e100) | ((size > 0.0) & (size < 1e-100))
    return not extreme


cdef inline bint counts_in(const double* x, const double* weights, Py_ssize_t i) noexcept nogil:
    return not isnan(x[i]) and (weights == NULL or weights[i] > 0.0)


cdef void means_of(
    const int8_t* buckets, const double* x, const double* weights, Py_ssize_t n, Py_ssize_t q, int64_t* counts,
    double* means
) noexcept nogil:
    """Write counts and means of q buckets in two passes: the mean, and the mean of what rounding left."""
    cdef double[BUCKETS] totals
    cdef double[BUCKETS] sums
    cdef double w = 1.0
    cdef Py_ssize_t i, k
    cdef int again
    for k in range(q):
        counts[k] = 0
        means[k] = 0.0
        totals[k] = 0.0
    for again in range(2):
        for k in range(q):
            sums[k] = 0.0
        for i in range(n):
            k = buckets[i] - 1
            if k < 0 or not counts_in(x, weights, i):
                continue
            if weights != NULL:
                w = weights[i]
            if not again:
                counts[k] += 1
                totals[k] += w
            sums[k] += w * (x[i] - means[k])
        for k in range(q):
            means[k] = means[k] + sums[k] / totals[k] if counts[k] else NAN


cdef double mean_of_any_size(
    const int8_t* buckets, const double* x, const double* weights, Py_ssize_t n, Py_ssize_t k
) noexcept nogil:
    """Return the mean of one bucket, whose largest number and weight are scaled to 1/2 to 1."""
    cdef double largest = 0.0, heaviest = 0.0, mean = 0.0, w = 1.0, weight, together
    cdef int power, weight_power, _
    cdef Py_ssize_t i
    for i in range(n):
        if buckets[i] == k and counts_in(x, weights, i):
            largest = max(largest, fabs(x[i]))
            heaviest = max(heaviest, weights[i] if weights != NULL else 1.0)
    frexp(largest, &power)
    frexp(heaviest, &weight_power)
    for _ in range(2):
        weight = together = 0.0
        for i in range(n):
            if buckets[i] == k and counts_in(x, weights, i):
                w = ldexp(weights[i] if weights != NULL else 1.0, -weight_power)
                weight += w
                together += w * (ldexp(x[i], -power) - mean)
        mean += together / weight
    return ldexp(mean, power)


def bucket_means(
    const int8_t[::1] buckets not None,
    list columns not None,
    const double[::1] weights not None,
    const int64_t[::1] offsets not None,
    Py_ssize_t first,
    Py_ssize_t last,
    int64_t[:, :, ::1] n not None,
    double[:, :, ::1] means not None,
):
    """Mean of the known returns of each bucket, date by date; weights above 0 count, empty: all alike."""
    cdef const double* returns[COLUMNS]
    cdef const double[::1] view
    cdef const double *x
    cdef const double *w = NULL
    cdef Py_ssize_t d, c, k, a, rows, n_columns = len(columns)
    for c in range(n_columns):
        view = columns[c]
        returns[c] = &view[0] if view.shape[0] else NULL
    with nogil:
        for d in range(first, last):
            a = offsets[d]
            rows = offsets[d + 1] - a
            if rows == 0:
                continue
            if weights.shape[0]:
                w = &weights[a]
            for c in range(n_columns):
                x = returns[c] + a
                means_of(&buckets[a], x, w, rows, n.shape[2], &n[d, c, 0], &means[d, c, 0])
                if moderate(x, rows) and (w == NULL or moderate(w, rows)):
                    continue
                for k in range(n.shape[2]):
                    if n[d, c, k]:
                        means[d, c, k] = mean_of_any_size(&buckets[a], x, w, rows, k + 1)
