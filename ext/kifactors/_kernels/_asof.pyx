"""Where a key stands in a panel, and what was last known there: walks along sorted (date, asset).

Cost: linear in rows and facts. Not polars: its joins hash or merge whole columns of keys; a panel is sorted, its
ids are small codes, and a date holds nearly all of them, so a place can be computed, and facts in order of arrival
need to be walked only once while the dates go by.
Every function trusts its caller: `kifactors._kernels` has checked types, lengths and order.
"""

from libc.math cimport NAN
from libc.stdint cimport int32_t, int64_t

cdef int32_t BEFORE_TIME = -2147483648
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


def by_day(const int32_t[::1] days not None, int32_t[::1] starts not None, int32_t[::1] order not None):
    """Sort facts by day, those of one day as they are: order = their numbers.

    days count from that of the first fact; starts has two entries more than there are days, and starts[day]
    becomes the number of facts before that day.
    """
    cdef Py_ssize_t k
    with nogil:
        starts[:] = 0
        for k in range(days.shape[0]):
            starts[days[k] + 2] += 1
        for k in range(2, starts.shape[0]):
            starts[k] += starts[k - 1]
        for k in range(days.shape[0]):
            order[starts[days[k] + 1]] = <int32_t>k
            starts[days[k] + 1] += 1


def last_visible(
    const int64_t[::1] rows not None,
    const int32_t[::1] days not None,
    const int32_t[::1] codes not None,
    const int32_t[::1] arrived not None,
    const int32_t[::1] arrivals not None,
    const int32_t[::1] holders not None,
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

    NaN and -1 where there is none; empty facts: not wanted. rows are the offsets of the dates in codes; the facts
    arrivals[:arrived[d]] are visible on date d, in the order in which they became so; holders are their codes. Of
    the visible facts of a code the one of the latest period counts, of those the last. Empty period: the last
    visible one. Empty expires: for ever; else up to the day before. Codes below 0 have no facts.

    Scratch has an entry per code and one for nobody: walk in three rows, the latest period seen, the fact that
    shows, and when it expires; now in a row per column, the values of that fact, from which rows are only copied.
    """
    cdef Py_ssize_t d, r, k, arrival = 0, columns = values.shape[0]
    cdef int32_t code, f, nobody = <int32_t>(now.shape[1] - 1)
    cdef bint periods = period.shape[0] > 0, expire = expires.shape[0] > 0, numbers = facts.shape[0] > 0
    cdef int32_t *newest = &walk[0, 0]
    cdef int32_t *shown = &walk[1, 0]
    cdef int32_t *until = &walk[2, 0]
    cdef const double *held
    cdef double *target
    with nogil:
        for code in range(nobody + 1):
            newest[code] = BEFORE_TIME
            shown[code] = -1
            until[code] = END_OF_TIME
        now[:, :] = NAN
        for d in range(first, last):
            while arrival < arrived[d]:
                f = arrivals[arrival]
                code = holders[f]
                arrival += 1
                if code < 0 or (periods and period[f] < newest[code]):
                    continue
                shown[code] = f
                if periods:
                    newest[code] = period[f]
                if expire:
                    until[code] = expires[f]
                for k in range(columns):
                    now[k, code] = values[k, f]
            if expire:
                for code in range(nobody):
                    if until[code] <= days[d]:
                        shown[code] = -1
                        until[code] = END_OF_TIME
                        for k in range(columns):
                            now[k, code] = NAN
            for k in range(columns):
                held = &now[k, 0]
                target = &out[k, 0]
                for r in range(rows[d], rows[d + 1]):
                    target[r] = held[codes[r] if codes[r] >= 0 else nobody]
            if numbers:
                for r in range(rows[d], rows[d + 1]):
                    facts[r] = shown[codes[r] if codes[r] >= 0 else nobody]
