"""Ranks within each date, or within each group of a date: average ranks, percentiles, normal scores.

Cost: linear; see `_sorting.pxd`. Not polars: its window functions sort every date by comparisons after they have
copied it.
Every function trusts its caller: `kifactors._kernels` has checked types, lengths and offsets.
"""

from libc.math cimport NAN, fabs, isnan, log, sqrt
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from kifactors._kernels._sorting cimport sort_values, sortable

cdef enum:
    AVERAGE = 0
    PERCENTILE = 1
    NORMAL = 2


cdef void sort_by_group(
    uint64_t* pairs, uint64_t* spare, Py_ssize_t n, const int32_t* group, int32_t* counts, Py_ssize_t groups
) noexcept nogil:
    """Bring the members of a group together; within it the order stays."""
    cdef Py_ssize_t i
    cdef int32_t total = 0, count
    for i in range(groups):
        counts[i] = 0
    for i in range(n):
        counts[group[<uint32_t>pairs[i]]] += 1
    for i in range(groups):
        count = counts[i]
        counts[i] = total
        total += count
    for i in range(n):
        count = group[<uint32_t>pairs[i]]
        spare[counts[count]] = pairs[i]
        counts[count] += 1
    memcpy(pairs, spare, n * sizeof(uint64_t))


cdef double polynomial(const double* c, double x) noexcept nogil:
    """Return c[0] + c[1] x + ... + c[7] x**7."""
    return ((((((c[7] * x + c[6]) * x + c[5]) * x + c[4]) * x + c[3]) * x + c[2]) * x + c[1]) * x + c[0]


cdef double[8] CENTRE_A = [
    3.3871328727963666080, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
    4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3]
cdef double[8] CENTRE_B = [
    1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
    2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3]
cdef double[8] TAIL_C = [
    1.42343711074968357734, 4.63033784615654529590, 5.76949722146069140550, 3.64784832476320460504,
    1.27045825245236838258, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4]
cdef double[8] TAIL_D = [
    1.0, 2.05319162663775882187, 1.67638483018380384940, 6.89767334985100004550e-1,
    1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9]
cdef double[8] FAR_E = [
    6.65790464350110377720, 5.46378491116411436990, 1.78482653991729133580, 2.96560571828504891230e-1,
    2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7]
cdef double[8] FAR_F = [
    1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
    7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15]


cdef double normal_quantile(double p) noexcept nogil:
    """Return z with Phi(z) = p, 0 < p < 1, to about 1e-16 (Wichura 1988, algorithm AS 241, PPND16)."""
    cdef double q = p - 0.5, r, z
    if fabs(q) <= 0.425:
        r = 0.180625 - q * q
        return q * polynomial(CENTRE_A, r) / polynomial(CENTRE_B, r)
    r = sqrt(-log(p if q < 0.0 else 1.0 - p))
    if r <= 5.0:
        z = polynomial(TAIL_C, r - 1.6) / polynomial(TAIL_D, r - 1.6)
    else:
        z = polynomial(FAR_E, r - 5.0) / polynomial(FAR_F, r - 5.0)
    return -z if q < 0.0 else z


cdef double score(Py_ssize_t twice, Py_ssize_t n, int method) noexcept nogil:
    """Return what a rank of twice / 2 among n is worth."""
    if method == AVERAGE:
        return 0.5 * twice
    if method == PERCENTILE:
        return 0.5 * twice / n
    # Of two ranks that mirror each other the scores must, to the last bit: the upper half mirrors the lower.
    if 2 * twice > 2 * n + 2:
        return -score(2 * n + 2 - twice, n, method)
    return normal_quantile((0.5 * twice - 0.375) / (n + 0.25))


cdef void rank_run(
    const uint64_t* pairs, Py_ssize_t n, const uint64_t* keys, int method, double* table, Py_ssize_t* table_of,
    double* out
) noexcept nogil:
    """Write the scores of n sorted pairs; values that tie share the mean of their ranks."""
    cdef Py_ssize_t i = 0, j, k
    cdef double value
    if method == NORMAL and table_of[0] != n:
        # Scores depend on n alone: dates of one length share them.
        table_of[0] = n
        for j in range(2 * n + 1):
            table[j] = NAN
    while i < n:
        j = i + 1
        # Equal keys have equal upper halves.
        while j < n and (pairs[j] ^ pairs[i]) >> 32 == 0 and (
                keys[<uint32_t>pairs[j]] == keys[<uint32_t>pairs[i]]):
            j += 1
        # Ranks i + 1 to j: twice their mean is i + 1 + j.
        k = i + 1 + j
        if method == NORMAL:
            if isnan(table[k]):
                table[k] = score(k, n, method)
            value = table[k]
        else:
            value = score(k, n, method)
        for k in range(i, j):
            out[<uint32_t>pairs[k]] = value
        i = j


def rank(
    const double[::1] values not None,
    const uint8_t[::1] valid not None,
    int64_t start,
    const int32_t[::1] groups not None,
    Py_ssize_t n_groups,
    const int64_t[::1] offsets not None,
    Py_ssize_t first,
    Py_ssize_t last,
    int method,
    uint64_t[:, ::1] scratch not None,
    int32_t[::1] counts not None,
    double[::1] table not None,
    double[::1] out not None,
):
    """out = rank, percentile or normal score of each value among the known of its date, or of its group there.

    valid is an Arrow bitmap whose first bit is start, empty: all are known; NaN is unknown too. groups are codes
    below n_groups, a row below 0 is in none; empty: a date is one group. scratch has three rows as long as the
    longest date; counts an entry per group; table twice the longest date and one.
    """
    cdef Py_ssize_t d, a, i, n, begin, end, table_of = -1
    cdef int64_t bit
    cdef uint64_t key, least, most
    cdef uint64_t *keys = &scratch[0, 0]
    cdef uint64_t *pairs = &scratch[1, 0]
    cdef uint64_t *spare = &scratch[2, 0]
    cdef const int32_t *group
    cdef bint grouped = groups.shape[0] > 0, bitmap = valid.shape[0] > 0
    with nogil:
        for d in range(first, last):
            a = offsets[d]
            n = 0
            least = ~<uint64_t>0
            most = 0
            for i in range(offsets[d + 1] - a):
                bit = start + a + i
                if isnan(values[a + i]) or (bitmap and not (valid[bit >> 3] >> (bit & 7)) & 1) or (
                        grouped and groups[a + i] < 0):
                    out[a + i] = NAN
                    continue
                key = sortable(values[a + i])
                least = min(least, key)
                most = max(most, key)
                keys[i] = key
                pairs[n] = i
                n += 1
            if n == 0:
                continue
            sort_values(pairs, spare, n, keys, &values[a], least, most)
            if not grouped:
                rank_run(pairs, n, keys, method, &table[0], &table_of, &out[a])
                continue
            group = &groups[a]
            sort_by_group(pairs, spare, n, group, &counts[0], n_groups)
            begin = 0
            while begin < n:
                end = begin + 1
                while end < n and group[<uint32_t>pairs[end]] == group[<uint32_t>pairs[begin]]:
                    end += 1
                rank_run(&pairs[begin], end - begin, keys, method, &table[0], &table_of, &out[a])
                begin = end
