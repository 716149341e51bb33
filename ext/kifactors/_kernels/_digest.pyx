"""Digests of rows, added up by day: what a table says, and when it said it, in one pass.

Cost: a few nanoseconds a cell; the cells of a block of rows are added while their sums are in cache. Not polars:
its own hashes change from release to release, and these are written to files. Not a hash of the bytes: texts would
have to be copied together, and a sum by day needs no order. Sums of 64 bits find accidents; they stop no forger.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memcpy

cdef enum:
    VIEW = 16       # bytes of an Arrow view: length, then the text, or its start, buffer and offset
    INSIDE = 12     # longest text that is inside its view


cdef inline uint64_t mixed(uint64_t x) noexcept nogil:
    """Return a one-to-one map of x in which every bit depends on every bit (Steele, Lea, Flood 2014)."""
    x = (x ^ (x >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    x = (x ^ (x >> 27)) * <uint64_t>0x94D049BB133111EB
    return x ^ (x >> 31)


cdef inline bint is_valid(const uint8_t[::1] valid, Py_ssize_t bit) noexcept nogil:
    return valid.shape[0] == 0 or (valid[bit >> 3] >> (bit & 7)) & 1


cdef inline uint64_t word(const uint8_t* text) noexcept nogil:
    """Return eight bytes, the first one lowest."""
    cdef uint64_t x
    memcpy(&x, text, 8)
    return x


cdef inline uint64_t first_bytes(uint64_t x, int64_t count) noexcept nogil:
    """Return the first bytes of a word, the others 0."""
    return x if count >= 8 else x & ((<uint64_t>1 << (8 * count)) - 1)


cdef inline uint64_t short_text(const uint8_t* text, int64_t length, uint64_t x) noexcept nogil:
    cdef uint32_t tail
    x = mixed(x ^ first_bytes(word(text), length))
    if length > 8:
        memcpy(&tail, text + 8, 4)
        x = mixed(x ^ first_bytes(tail, length - 8))
    return x


cdef inline uint64_t long_text(const uint8_t* text, int64_t length, uint64_t x) noexcept nogil:
    """The last word ends where the text ends, and may overlap the one before."""
    cdef int64_t at = 0
    while at + 8 < length:
        x = mixed(x ^ word(text + at))
        at += 8
    return mixed(x ^ word(text + length - 8))


def add_numbers(
    const int64_t[::1] values not None,
    const uint8_t[::1] valid not None,
    Py_ssize_t start,
    uint64_t key,
    uint64_t[::1] out not None,
):
    """out[i] += digest of the number in row i under the key of its column; null adds nothing."""
    cdef Py_ssize_t i
    with nogil:
        for i in range(values.shape[0]):
            if is_valid(valid, start + i):
                out[i] += mixed(key ^ <uint64_t>values[i])


def add_texts(
    const uint8_t[::1] views not None,
    const uint64_t[::1] addresses not None,
    const uint8_t[::1] valid not None,
    Py_ssize_t start,
    uint64_t key,
    uint64_t[::1] out not None,
):
    """out[i] += digest of the text that view i shows; `addresses` of the buffers that long texts are in."""
    cdef Py_ssize_t i
    cdef const uint8_t* view
    cdef int32_t length
    cdef int32_t[2] place
    cdef uint64_t x
    with nogil:
        for i in range(out.shape[0]):
            if not is_valid(valid, start + i):
                continue
            view = &views[VIEW * i]
            memcpy(&length, view, 4)
            x = key + <uint64_t>length
            if length <= INSIDE:
                out[i] += short_text(view + 4, length, x)
            else:
                memcpy(&place, view + 8, 8)
                out[i] += long_text(<const uint8_t*><uintptr_t>addresses[place[0]] + place[1], length, x)


def add_by_day(
    const uint64_t[::1] rows not None,
    const int32_t[::1] days not None,
    int32_t first,
    uint64_t[::1] sums not None,
    int64_t[::1] counts not None,
):
    """sums[d] += digest of each row of day first + d, counts[d] += 1; quick where equal days follow each other."""
    cdef Py_ssize_t i = 0, start
    cdef int32_t day
    cdef uint64_t total
    with nogil:
        while i < rows.shape[0]:
            start, day, total = i, days[i], 0
            while i < rows.shape[0] and days[i] == day:
                total += mixed(rows[i])
                i += 1
            sums[day - first] += total
            counts[day - first] += i - start
