"""Where a key stands in a panel, and what was last known there: walks along sorted (date, asset).

Cost: linear in rows and facts. Not polars: its joins hash or merge whole columns of keys; a panel is sorted, its
ids are small codes, and a date holds nearly all of them, so a place can be computed, and the facts of an asset
need to be walked only once while the dates go by.
Every function trusts its caller: `kifactors._kernels` has checked types, lengths and order.
"""

from libc.math cimport NAN
from libc.stdint cimport int32_t, int64_t

cdef int32_t START_OF_TIME = -2147483648
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
    ever; else up to the day before. walk is scratch, four rows of an entry per code: the fact in force, the day it
    expires, the next one to become visible, the day when that happens; now are the values of the fact in force,
    side by side for one date's rows to be read in order.
    """
    cdef Py_ssize_t d, r, k, columns = values.shape[0]
    cdef int32_t code, f
    cdef bint periods = period.shape[0] > 0, expire = expires.shape[0] > 0, numbers = facts.shape[0] > 0
    cdef int32_t *current = &walk[0, 0]
    cdef int32_t *until = &walk[1, 0]
    cdef int32_t *following = &walk[2, 0]
    cdef int32_t *due = &walk[3, 0]
    with nogil:
        for code in range(<int32_t>(offsets.shape[0] - 1)):
            current[code] = -1
            until[code] = START_OF_TIME
            following[code] = <int32_t>offsets[code]
            due[code] = visible[offsets[code]] if offsets[code] < offsets[code + 1] else END_OF_TIME
        for d in range(first, last):
            for r in range(rows[d], rows[d + 1]):
                code = codes[r]
                if code >= 0 and due[code] <= days[d]:
                    f = following[code]
                    while f < offsets[code + 1] and visible[f] <= days[d]:
                        if not periods or current[code] < 0 or period[f] >= period[current[code]]:
                            current[code] = f
                        f += 1
                    following[code] = f
                    due[code] = visible[f] if f < offsets[code + 1] else END_OF_TIME
                    f = current[code]
                    until[code] = expires[f] if expire else END_OF_TIME
                    for k in range(columns):
                        now[k, code] = values[k, f]
                if code < 0 or until[code] <= days[d]:
                    code = -1
                for k in range(columns):
                    out[k, r] = now[k, code] if code >= 0 else NAN
                if numbers:
                    facts[r] = current[code] if code >= 0 else -1
