"""Where a key stands in a panel, and what was last known there: walks along sorted (date, asset).

Cost: linear in rows and facts. Not polars: its joins hash or merge whole columns of keys; a panel is sorted, its
ids are small codes, and a date holds nearly all of them, so a place can be computed, and the facts of an asset
need to be walked only once while the dates go by.
Every function trusts its caller: `kifactors._kernels` has checked types, lengths and order.
"""

from libc.math cimport NAN
from libc.stdint cimport int32_t, int64_t

cdef int32_t END_OF_TIME = 2147483647


def locate(
    const int64_t[::1] offsets not None,
    const int32_t[::1] codes not None,
    const int32_t[::1] section not None,
    const int32_t[::1] wanted not None,
    Py_ssize_t first,
    Py_ssize_t last,
    int64_t[::1] out not None,
):
    """out[k] = the row of section section[k] whose code is wanted[k]; -1 without one, or with a section below 0.

    Codes ascend within a section. As they are distinct, code c stands at most c places behind its begin: there if
    all smaller ones are present, so that the search starts at the right place for all of a complete section.
    """
    cdef Py_ssize_t k
    cdef int64_t low, high, middle, step
    cdef int32_t code
    with nogil:
        for k in range(first, last):
            out[k] = -1
            code = wanted[k]
            if section[k] < 0 or code < 0:
                continue
            low = offsets[section[k]]
            high = min(low + code, offsets[section[k] + 1] - 1)
            if high < low:
                continue
            step = 1
            middle = high
            while middle > low and codes[middle] > code:
                high = middle - 1
                middle = max(low, middle - step)
                step *= 2
            low = middle
            while low < high:
                middle = (low + high + 1) // 2
                if codes[middle] <= code:
                    low = middle
                else:
                    high = middle - 1
            if codes[low] == code:
                out[k] = low


def last_visible(
    const int64_t[::1] rows not None,
    const int32_t[::1] days not None,
    const int32_t[::1] codes not None,
    const int64_t[::1] offsets not None,
    const int32_t[::1] visible not None,
    const int32_t[::1] period not None,
    const int32_t[::1] expires not None,
    const double[:, ::1] values not None,
    Py_ssize_t first,
    Py_ssize_t last,
    int32_t[:, ::1] walk not None,
    double[:, ::1] now not None,
    int32_t[::1] facts not None,
    double[:, ::1] out not None,
):
    """Find the fact in force for the rows of dates first to last: out = its values, facts = its number.

    NaN and -1 where there is none; empty facts: not wanted. rows are the offsets of the dates in codes; offsets
    those of each code in the facts, which ascend by visible, the first day that may use one. Of the visible facts
    the one of the latest period counts, of those the last. Empty period: the last visible one. Empty expires: for
    ever; else up to the day before. walk is scratch, four rows of an entry per code and one for nobody: the fact
    in force, the one that shows (-1 once it has expired), the next to become visible, the next day on which
    anything changes. now has a row of the same length per column: between such days a row only copies from it.
    """
    cdef Py_ssize_t d, r, k, columns = values.shape[0]
    cdef int32_t code, f, nobody = <int32_t>(offsets.shape[0] - 1)
    cdef bint periods = period.shape[0] > 0, expire = expires.shape[0] > 0, numbers = facts.shape[0] > 0
    cdef int32_t *current = &walk[0, 0]
    cdef int32_t *shown = &walk[1, 0]
    cdef int32_t *following = &walk[2, 0]
    cdef int32_t *due = &walk[3, 0]
    cdef const double *held
    cdef double *target
    with nogil:
        for code in range(nobody + 1):
            current[code] = shown[code] = -1
            following[code] = <int32_t>offsets[code]
            due[code] = END_OF_TIME
            if code < nobody and offsets[code] < offsets[code + 1]:
                due[code] = visible[offsets[code]]
            for k in range(columns):
                now[k, code] = NAN
        for d in range(first, last):
            for r in range(rows[d], rows[d + 1]):
                code = codes[r]
                if code < 0 or due[code] > days[d]:
                    continue
                f = following[code]
                while f < offsets[code + 1] and visible[f] <= days[d]:
                    if not periods or current[code] < 0 or period[f] >= period[current[code]]:
                        current[code] = f
                    f += 1
                following[code] = f
                due[code] = visible[f] if f < offsets[code + 1] else END_OF_TIME
                f = current[code]
                if expire and expires[f] <= days[d]:
                    f = -1
                elif expire:
                    due[code] = min(due[code], expires[f])
                shown[code] = f
                for k in range(columns):
                    now[k, code] = values[k, f] if f >= 0 else NAN
            for k in range(columns):
                held = &now[k, 0]
                target = &out[k, 0]
                for r in range(rows[d], rows[d + 1]):
                    target[r] = held[codes[r] if codes[r] >= 0 else nobody]
            if numbers:
                for r in range(rows[d], rows[d + 1]):
                    facts[r] = shown[codes[r] if codes[r] >= 0 else nobody]
