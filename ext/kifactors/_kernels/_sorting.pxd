"""Rows in the order of doubles, in linear time.

`sort_values` deals a few thousand numbers into twice as many equal intervals, in one pass of counting, and puts
the few of an interval in order one by one. Where many share an interval, and for more numbers, `sort_pairs` counts
leading bits: the distance of a key from the smallest, cut to as many bits as two passes can sort, goes before the
row number; those that share them are put in order by the whole key, many of them by the same procedure once more.
"""

from libc.math cimport INFINITY
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

cdef enum:
    FEW = 24            # pairs that are inserted one by one
    WIDE_FROM = 1024    # pairs for which a digit has eleven bits, not eight
    DIGITS = 2048       # of eleven bits
    ROW = 13            # bits of a row number
    SPREAD = 8192       # rows of so many bits, and as many intervals
    ROWS = 8191
    DISTANCE = 50       # bits of a distance


cdef inline uint64_t sortable(double x) noexcept nogil:
    """Return an integer that sorts like x; -0.0 counts as 0.0."""
    cdef uint64_t bits
    x = x + 0.0
    memcpy(&bits, &x, sizeof(bits))
    return bits ^ (<uint64_t>(-<int64_t>(bits >> 63)) | (<uint64_t>1 << 63))


cdef inline double value_of(uint64_t key) noexcept nogil:
    """Return the number of a key."""
    cdef double x
    cdef uint64_t bits = key ^ (<uint64_t>(<int64_t>(~key) >> 63) | (<uint64_t>1 << 63))
    memcpy(&x, &bits, sizeof(bits))
    return x


cdef inline void insert(uint64_t* pairs, Py_ssize_t n, const uint64_t* keys) noexcept nogil:
    """Sort a few pairs by the whole key of their row."""
    cdef Py_ssize_t i, j
    cdef uint64_t pair, key
    for i in range(1, n):
        pair = pairs[i]
        key = keys[<uint32_t>pair]
        j = i
        while j > 0 and keys[<uint32_t>pairs[j - 1]] > key:
            pairs[j] = pairs[j - 1]
            j -= 1
        pairs[j] = pair


cdef inline int length(uint64_t x) noexcept nogil:
    """Return the number of bits of x."""
    cdef int bits = 0, step = 32
    while step:
        if x >> step:
            x >>= step
            bits += step
        step >>= 1
    return bits + <int>(x != 0)


cdef inline void sort_pairs(
    uint64_t* pairs, uint64_t* spare, Py_ssize_t n, const uint64_t* keys, uint64_t least, uint64_t most
) noexcept nogil:
    """Sort pairs by the key of their row, in [least, most]; equal keys get equal upper halves."""
    cdef uint32_t[2 * DIGITS] counts
    cdef uint32_t *low = &counts[0]
    cdef uint32_t *high = &counts[DIGITS]
    cdef Py_ssize_t i, j, top
    cdef int bits = 11 if n >= WIDE_FROM else 8, shift = max(0, length(most - least) - 2 * bits)
    cdef uint64_t part, mask = (1 << bits) - 1
    cdef uint32_t at_low = 0, at_high = 0, count
    if least == most:
        return
    if n <= FEW:
        insert(pairs, n, keys)
        return
    top = <Py_ssize_t>((most - least) >> shift >> bits)
    memset(low, 0, (mask + 1) * sizeof(uint32_t))
    memset(high, 0, (top + 1) * sizeof(uint32_t))
    for i in range(n):
        part = (keys[<uint32_t>pairs[i]] - least) >> shift
        pairs[i] = part << 32 | <uint32_t>pairs[i]
        low[part & mask] += 1
        high[part >> bits] += 1
    for i in range(<Py_ssize_t>mask + 1):
        count = low[i]
        low[i] = at_low
        at_low += count
    for i in range(top + 1):
        count = high[i]
        high[i] = at_high
        at_high += count
    for i in range(n):
        part = (pairs[i] >> 32) & mask
        spare[low[part]] = pairs[i]
        low[part] += 1
    for i in range(n):
        part = spare[i] >> 32 >> bits
        pairs[high[part]] = spare[i]
        high[part] += 1
    if shift == 0:
        return
    i = 0
    while i < n:
        j = i + 1
        while j < n and (pairs[j] ^ pairs[i]) >> 32 == 0:
            j += 1
        if j - i > FEW:
            sort_alike(&pairs[i], spare, j - i, keys)
        elif j - i > 1:
            insert(&pairs[i], j - i, keys)
        i = j


cdef inline void sort_alike(uint64_t* pairs, uint64_t* spare, Py_ssize_t n, const uint64_t* keys) noexcept nogil:
    """Sort many pairs with the same leading bits: their keys differ less, so that the next bits are seen."""
    cdef uint64_t key, least = keys[<uint32_t>pairs[0]], most = least
    cdef Py_ssize_t i
    for i in range(1, n):
        key = keys[<uint32_t>pairs[i]]
        least = min(least, key)
        most = max(most, key)
    sort_pairs(pairs, spare, n, keys, least, most)


cdef inline void sort_values(
    uint64_t* pairs, uint64_t* spare, Py_ssize_t n, const uint64_t* keys, const double* x, uint64_t least,
    uint64_t most
) noexcept nogil:
    """Sort row numbers by the number of their row; keys are those of x, in [least, most].

    Equal keys get equal upper halves. A number's distance from the smallest, as a whole number, goes before its
    row, so that one comparison orders two of them; the leading bits of it are the interval.
    """
    cdef uint32_t[SPREAD] counts
    cdef Py_ssize_t i, j, begin, end
    cdef int bits = 5, shift
    cdef double low, scale
    cdef uint32_t count, at = 0, crowd = 0
    cdef uint64_t pair
    if n <= FEW or n > SPREAD or least == most:
        sort_pairs(pairs, spare, n, keys, least, most)
        return
    while (<Py_ssize_t>1 << bits) < 2 * n and bits < ROW:
        bits += 1
    low = value_of(least)
    # A little less than all bits, for the rounding of the products.
    scale = 1125899906842600.0 / (value_of(most) - low)
    # Too far apart for a double, or too near.
    if not 0.0 < scale < INFINITY:
        sort_pairs(pairs, spare, n, keys, least, most)
        return
    shift = DISTANCE - bits
    memset(counts, 0, sizeof(uint32_t) << bits)
    for i in range(n):
        # Rounding keeps the order: a larger number is not nearer.
        pair = <uint64_t>((x[<uint32_t>pairs[i]] - low) * scale)
        counts[pair >> shift] += 1
        pairs[i] = pair << ROW | <uint32_t>pairs[i]
    for i in range(<Py_ssize_t>1 << bits):
        count = counts[i]
        counts[i] = at
        at += count
        crowd = max(crowd, count)
    shift += ROW
    for i in range(n):
        spare[counts[pairs[i] >> shift]] = pairs[i]
        counts[pairs[i] >> shift] += 1
    if crowd <= FEW:
        for i in range(1, n):
            pair = spare[i]
            j = i
            while j > 0 and spare[j - 1] > pair:
                spare[j] = spare[j - 1]
                j -= 1
            spare[j] = pair
        emit(pairs, spare, n, keys)
        return
    begin = 0
    for i in range(<Py_ssize_t>1 << bits):
        end = counts[i]
        if end - begin > FEW:
            for j in range(begin, end):
                pairs[j] = spare[j] & ROWS
            # What was emitted before is done with: the room before it may be written to.
            sort_alike(&pairs[begin], &spare[begin], end - begin, keys)
        elif end > begin:
            for at in range(<uint32_t>begin + 1, <uint32_t>end):
                pair = spare[at]
                j = at
                while j > begin and spare[j - 1] > pair:
                    spare[j] = spare[j - 1]
                    j -= 1
                spare[j] = pair
            emit(&pairs[begin], &spare[begin], end - begin, keys)
        begin = end


cdef inline void emit(uint64_t* pairs, const uint64_t* spare, Py_ssize_t n, const uint64_t* keys) noexcept nogil:
    """Write sorted distances and rows as pairs; those of one distance in the order of their keys."""
    cdef Py_ssize_t i, j
    cdef bint near = False
    for i in range(n):
        pairs[i] = (spare[i] >> ROW) << 32 | (spare[i] & ROWS)
        near |= i > 0 and spare[i] >> ROW == spare[i - 1] >> ROW
    if not near:
        return
    i = 0
    while i < n:
        j = i + 1
        while j < n and spare[j] >> ROW == spare[i] >> ROW:
            j += 1
        if j - i > 1:
            # The few of one interval: at most FEW.
            insert(&pairs[i], j - i, keys)
        i = j
