"""Values against what followed them: correlations and quantile portfolios of each date.

Cost: linear. The values of a date are sorted once. Where returns are missing, ranks and their ties are read off that
order again without sorting; each column of returns is sorted once. Places in a quantile are whole numbers: nobody
crosses an edge by a rounding.
Every function trusts its caller: `kifactors._kernels` has checked types, lengths and offsets.
"""

from libc.math cimport NAN, isnan, sqrt
from libc.stdint cimport int8_t, int64_t, uint8_t, uint32_t, uint64_t

from kifactors._kernels._sorting cimport sort_pairs, sortable

cdef enum:
    FEWEST = 3          # pairs that have a correlation
    COLUMNS = 256


cdef inline bint tied(uint64_t a, uint64_t b, const uint64_t* keys) noexcept nogil:
    """Return whether two neighbours of a sorted run are equal; equal keys have equal upper halves."""
    return (a ^ b) >> 32 == 0 and keys[<uint32_t>a] == keys[<uint32_t>b]


cdef void centred_ranks(
    const uint64_t* pairs, Py_ssize_t n, const uint64_t* keys, double* out
) noexcept nogil:
    """Write twice the average rank less its mean, n + 1, at the place of each row: whole numbers."""
    cdef Py_ssize_t i = 0, j, k
    cdef double value
    while i < n:
        j = i + 1
        while j < n and tied(pairs[j], pairs[j - 1], keys):
            j += 1
        # Ranks i + 1 to j: twice their mean is i + 1 + j.
        value = <double>(i + j - n)
        for k in range(i, j):
            out[<uint32_t>pairs[k]] = value
        i = j


cdef void buckets_of(
    const uint64_t* pairs, Py_ssize_t n, const uint64_t* keys, Py_ssize_t q, int8_t* out
) noexcept nogil:
    """Write 1 to q: the first whose edge, the percentile k / q, is not below the value. Equal values share one."""
    cdef Py_ssize_t i = 0, j, k = 1, m
    while i < n:
        j = i + 1
        while j < n and tied(pairs[j], pairs[j - 1], keys):
            j += 1
        # The edge lies at the place k (n - 1) / q or above it, and below the next one.
        while i > k * (n - 1) // q:
            k += 1
        for m in range(i, j):
            out[<uint32_t>pairs[m]] = <int8_t>k
        i = j


cdef double correlation(
    const uint64_t* pairs, Py_ssize_t n, const double* x, const double* y, bint centred
) noexcept nogil:
    """Return Pearson's correlation of the rows of some pairs; neither side is constant."""
    cdef Py_ssize_t i, row
    cdef double mean_x = 0.0, mean_y = 0.0, xx = 0.0, yy = 0.0, xy = 0.0, dx, dy, found
    if not centred:
        for i in range(n):
            row = <uint32_t>pairs[i]
            mean_x += x[row]
            mean_y += y[row]
        mean_x /= n
        mean_y /= n
    for i in range(n):
        row = <uint32_t>pairs[i]
        dx = x[row] - mean_x
        dy = y[row] - mean_y
        xx += dx * dx
        yy += dy * dy
        xy += dx * dy
    if not xx * yy > 0.0:
        # Numbers so small that their squares vanish.
        return NAN
    found = xy / sqrt(xx) / sqrt(yy)
    return max(-1.0, min(1.0, found))


def correlate(
    const double[::1] values not None,
    list columns not None,
    const uint8_t[::1] mask not None,
    const int64_t[::1] offsets not None,
    Py_ssize_t first,
    Py_ssize_t last,
    Py_ssize_t n_buckets,
    uint64_t[:, ::1] scratch not None,
    double[:, ::1] ranks not None,
    int64_t[:, ::1] n not None,
    double[:, ::1] pearson not None,
    double[:, ::1] spearman not None,
    int8_t[::1] buckets not None,
):
    """Correlate values with each column over the rows where both are known, date by date.

    mask chooses rows, empty: all of them. n_buckets 0: buckets is not written. scratch has five rows and ranks two, as
    long as the longest date.
    """
    cdef const double* returns[COLUMNS]
    cdef const double[::1] view
    cdef Py_ssize_t d, c, a, i, row, known, kept, n_columns = len(columns)
    cdef uint64_t key, least, most
    cdef uint64_t *x_keys = &scratch[0, 0]
    cdef uint64_t *x_pairs = &scratch[1, 0]
    cdef uint64_t *spare = &scratch[2, 0]
    cdef uint64_t *y_keys = &scratch[3, 0]
    cdef uint64_t *y_pairs = &scratch[4, 0]
    cdef double *x_ranks = &ranks[0, 0]
    cdef double *y_ranks = &ranks[1, 0]
    cdef bint masked = mask.shape[0] > 0, whole
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
            if known:
                sort_pairs(x_pairs, spare, known, x_keys, least, most)
                if known >= n_buckets > 0:
                    buckets_of(x_pairs, known, x_keys, n_buckets, &buckets[a])
            whole = False
            for c in range(n_columns):
                kept = 0
                least = ~<uint64_t>0
                most = 0
                for i in range(known):
                    row = <uint32_t>x_pairs[i]
                    if isnan(returns[c][a + row]):
                        continue
                    key = sortable(returns[c][a + row])
                    least = min(least, key)
                    most = max(most, key)
                    y_keys[row] = key
                    # In the order of the values, so that their ranks can be read off.
                    spare[kept] = x_pairs[i]
                    kept += 1
                n[d, c] = kept
                pearson[d, c] = NAN
                spearman[d, c] = NAN
                if kept < FEWEST or least == most or (
                        x_keys[<uint32_t>spare[0]] == x_keys[<uint32_t>spare[kept - 1]]):
                    continue
                if not (whole and kept == known):
                    centred_ranks(spare, kept, x_keys, x_ranks)
                    whole = kept == known
                for i in range(kept):
                    y_pairs[i] = <uint32_t>spare[i]
                pearson[d, c] = correlation(y_pairs, kept, &values[a], returns[c] + a, False)
                sort_pairs(y_pairs, spare, kept, y_keys, least, most)
                centred_ranks(y_pairs, kept, y_keys, y_ranks)
                spearman[d, c] = correlation(y_pairs, kept, x_ranks, y_ranks, True)


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
