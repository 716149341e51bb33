"""Values against what followed them: correlations and quantile portfolios of each date.

Cost: linear. The values of a date are sorted once. Where returns are missing, ranks and their ties are read off
that order again without sorting; each column of returns is sorted once. Places in a quantile are whole numbers:
nobody crosses an edge by a rounding.
Every function trusts its caller: `kifactors._kernels` has checked types, lengths and offsets.
"""

from libc.math cimport NAN, isnan, sqrt
from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t

from kifactors._kernels._sorting cimport sort_values, sortable

cdef enum:
    FEWEST = 3          # pairs that have a correlation
    COLUMNS = 256


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


cdef double total(const double* x, Py_ssize_t n) noexcept nogil:
    """Add up in four strands, always the same ones."""
    cdef double a = 0.0, b = 0.0, c = 0.0, d = 0.0
    cdef Py_ssize_t i
    for i in range(0, n - 3, 4):
        a += x[i]
        b += x[i + 1]
        c += x[i + 2]
        d += x[i + 3]
    for i in range(n - n % 4, n):
        a += x[i]
    return (a + b) + (c + d)


cdef void products(
    const double* x, double mean_x, const double* y, double mean_y, Py_ssize_t n,
    double* xy, double* xx, double* yy,
) noexcept nogil:
    """Add up the products of the deviations, each in two strands."""
    cdef double p = 0.0, q = 0.0, r = 0.0, s = 0.0, t = 0.0, u = 0.0, a, b, c, d
    cdef Py_ssize_t i
    for i in range(0, n - 1, 2):
        a = x[i] - mean_x
        b = y[i] - mean_y
        c = x[i + 1] - mean_x
        d = y[i + 1] - mean_y
        p += a * b
        q += c * d
        r += a * a
        s += c * c
        t += b * b
        u += d * d
    if n % 2:
        a = x[n - 1] - mean_x
        b = y[n - 1] - mean_y
        p += a * b
        r += a * a
        t += b * b
    xy[0] = p + q
    xx[0] = r + s
    yy[0] = t + u


cdef double ratio(double xy, double xx, double yy) noexcept nogil:
    """Return a correlation; NaN where numbers are so small that their squares vanish."""
    cdef double both = xx * yy
    if not both > 0.0:
        return NAN
    # The root of a square is exact: a perfect correlation is 1. Very large or small ones take two roots.
    both = sqrt(both) if 1e-290 < both < 1e290 else sqrt(xx) * sqrt(yy)
    return max(-1.0, min(1.0, xy / both))


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
    cdef double mean_x, mean_y, xy, xx, yy, x_squares = 0.0, y_squares
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
                mean_x = total(x_kept, kept) / kept
                mean_y = total(y_kept, kept) / kept
                products(x_kept, mean_x, y_kept, mean_y, kept, &xy, &xx, &yy)
                pearson[d, c] = ratio(xy, xx, yy)
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


def bucket_means(
    const int8_t[::1] buckets not None,
    list columns not None,
    const double[::1] weights not None,
    const int64_t[::1] offsets not None,
    Py_ssize_t first,
    Py_ssize_t last,
    double[:, :, ::1] totals not None,
    int64_t[:, :, ::1] n not None,
    double[:, :, ::1] means not None,
):
    """Mean of the known returns of each bucket, date by date; weights above 0 count, empty: all alike.

    totals is as large as means and is overwritten.
    """
    cdef const double* returns[COLUMNS]
    cdef const double[::1] view
    cdef Py_ssize_t d, c, i, k, n_columns = len(columns), q = n.shape[2]
    cdef double w = 1.0
    cdef bint weighted = weights.shape[0] > 0
    for c in range(n_columns):
        view = columns[c]
        returns[c] = &view[0] if view.shape[0] else NULL
    with nogil:
        for d in range(first, last):
            for c in range(n_columns):
                for k in range(q):
                    n[d, c, k] = 0
                    means[d, c, k] = 0.0
                    totals[d, c, k] = 0.0
                for i in range(offsets[d], offsets[d + 1]):
                    k = buckets[i] - 1
                    if k < 0 or isnan(returns[c][i]):
                        continue
                    if weighted:
                        w = weights[i]
                        if not w > 0.0:
                            continue
                    n[d, c, k] += 1
                    totals[d, c, k] += w
                    means[d, c, k] += w * returns[c][i]
                for k in range(q):
                    means[d, c, k] = means[d, c, k] / totals[d, c, k] if n[d, c, k] else NAN
