"""How many numbers are smaller than each one, and how many equal: counted, exactly and in linear time.

A few thousand numbers are dealt into equal intervals, several times as many as numbers, and laid out interval by
interval. Those of earlier ones are smaller, those of later ones larger: so each number is compared with as many,
from the beginning of its interval on, as the fullest holds. No branch depends on a number, so none is guessed.
Where an interval is crowded, by ties or by numbers far out, and for more numbers, they are sorted.

A place is twice the average rank, 2 smaller + equal + 1, less its mean n + 1: a whole number.
"""

from libc.math cimport INFINITY
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from kifactors._kernels._lanes cimport (
    LANES, at_most, count, count_twice, greater, known, lanes, largest, less, lesser, load, smallest, spread)
from kifactors._kernels._sorting cimport sort_values, sortable

cdef enum:
    HANDFUL = 64            # numbers that are all compared with each other
    DEALT_TO = 8192         # numbers that are dealt into intervals
    FULL = 24               # numbers of one interval that are compared with each other
    STACK = 8               # rows of intervals; so many full ones are counted in a byte
    PER_NUMBER = 3          # intervals for each number
    WHOLE = 64              # intervals of a row that are worked on at once
    ROOM_ROWS = 6           # of scratch, as long as the longest date and EDGE more
    EDGE = 64


cdef struct Room:
    # To sort.
    uint64_t *keys
    uint64_t *pairs
    uint64_t *spare
    # To deal, in part the same.
    uint16_t *begins
    uint8_t *counts
    double *laid
    uint16_t *interval
    uint16_t *before


cdef inline Room room_in(uint64_t* scratch, Py_ssize_t width) noexcept nogil:
    """Share out scratch: a count of every interval fits in a row, a beginning of each in two."""
    cdef Room room
    room.keys, room.pairs, room.spare = scratch, scratch + width, scratch + 2 * width
    room.begins = <uint16_t*>scratch
    room.counts = <uint8_t*>(scratch + 2 * width)
    room.laid = <double*>(scratch + 3 * width)
    room.interval = <uint16_t*>(scratch + 4 * width)
    room.before = <uint16_t*>(scratch + 5 * width)
    return room


cdef inline Py_ssize_t bounds(const double* x, Py_ssize_t n, double* low, double* high) noexcept nogil:
    """Find the smallest and the largest of those that are not NaN, and return how many those are."""
    cdef lanes v, least = spread(INFINITY), most = spread(-INFINITY)
    cdef Py_ssize_t i, found = 0, whole = n - n % LANES
    for i in range(0, whole, 8):
        v = load(&x[i])
        found += count(known(v))
        # Of NaN and a number the second is taken.
        least = lesser(v, least)
        most = greater(v, most)
    low[0], high[0] = smallest(least), largest(most)
    for i in range(whole, n):
        found += <int>(x[i] == x[i])
        low[0] = x[i] if x[i] < low[0] else low[0]
        high[0] = x[i] if x[i] > high[0] else high[0]
    return found


cdef inline int deal(const double* x, Py_ssize_t n, double low, double high, Room room) noexcept nogil:
    """Lay out the numbers interval after interval; write where each interval begins, and that of each number.

    Returns how many the fullest holds; nothing is laid out where that is more than FULL.
    """
    cdef Py_ssize_t i, k
    cdef uint32_t columns = <uint32_t>(PER_NUMBER * n // (STACK * WHOLE) + 1) * WHOLE, at
    cdef uint32_t intervals = STACK * columns
    cdef uint16_t total = 0
    cdef uint8_t fullest = 0
    cdef double scale = 0.0
    if low < high:
        scale = (intervals - 1) / (high - low)
    # All alike, too far apart for a double, or too near.
    if not 0.0 < scale < INFINITY:
        return FULL + 1
    memset(room.counts, 0, intervals)
    for i in range(n):
        # Rounding keeps the order: a larger number is in no earlier interval.
        at = <uint32_t><int32_t>((x[i] - low) * scale)
        room.interval[i] = <uint16_t>((at % STACK) * columns + at // STACK)
    for i in range(n):
        room.counts[room.interval[i]] += 1
    for i in range(<Py_ssize_t>intervals):
        fullest = max(fullest, room.counts[i])
    if fullest > FULL:
        return fullest
    # Whole rows at once: an interval follows on the one above it, a column on the one before.
    for i in range(<Py_ssize_t>columns, <Py_ssize_t>intervals):
        room.counts[i] += room.counts[i - columns]
    for i in range(<Py_ssize_t>columns):
        room.before[i] = total
        total += room.counts[intervals - columns + i]
    # A count that passed 255 began again at 0.
    if total != n:
        return FULL + 1
    for k in range(STACK):
        for i in range(<Py_ssize_t>columns):
            room.begins[k * columns + i] = room.before[i] + room.counts[k * columns + i]
    # These are the ends; each interval is filled from there, and what is left is the beginning.
    for i in range(n):
        at = room.interval[i]
        room.begins[at] -= 1
        room.laid[room.begins[at]] = x[i]
    return fullest


cdef inline void compare(
    const double* x, Py_ssize_t n, Room room, Py_ssize_t width, int32_t* smaller, int32_t* place
) noexcept nogil:
    """Compare each of n numbers with width others, from the beginning of its interval on."""
    cdef Py_ssize_t i, k
    cdef int under, twice
    cdef int32_t begin
    cdef lanes v, one
    for i in range(n):
        one = spread(x[i])
        begin = room.begins[room.interval[i]]
        under = 0
        twice = 0
        for k in range(0, width, 8):
            v = load(&room.laid[begin + k])
            twice += count_twice(less(v, one), at_most(v, one))
            if smaller != NULL:
                under += count(less(v, one))
        if smaller != NULL:
            smaller[i] = begin + under
        place[i] = 2 * begin + twice - <int32_t>n


cdef inline void place_by_sorting(
    const double* x, Py_ssize_t n, double low, double high, Room room, int32_t* smaller, int32_t* place
) noexcept nogil:
    cdef Py_ssize_t i, j, k
    for i in range(n):
        room.keys[i] = sortable(x[i])
        room.pairs[i] = i
    sort_values(room.pairs, room.spare, n, room.keys, x, sortable(low), sortable(high))
    i = 0
    while i < n:
        j = i + 1
        # Equal keys have equal upper halves.
        while j < n and (room.pairs[j] ^ room.pairs[i]) >> 32 == 0 and (
                room.keys[<uint32_t>room.pairs[j]] == room.keys[<uint32_t>room.pairs[i]]):
            j += 1
        for k in range(i, j):
            if smaller != NULL:
                smaller[<uint32_t>room.pairs[k]] = <int32_t>i
            place[<uint32_t>room.pairs[k]] = <int32_t>(i + j - n)
        i = j


cdef inline void find_places(
    const double* x, Py_ssize_t n, double low, double high, Room room, int32_t* smaller, int32_t* place
) noexcept nogil:
    """Write the places of n numbers in [low, high], and how many are smaller unless that is NULL."""
    cdef Py_ssize_t i, width = LANES
    cdef int fullest = FULL + 1
    if n <= HANDFUL:
        width = (n + 7) // 8 * 8
        room.begins[0] = 0
        for i in range(n):
            room.laid[i] = x[i]
            room.interval[i] = 0
    elif n > DEALT_TO:
        place_by_sorting(x, n, low, high, room, smaller, place)
        return
    else:
        fullest = deal(x, n, low, high, room)
        if fullest > FULL:
            place_by_sorting(x, n, low, high, room, smaller, place)
            return
        width = (fullest + 7) // 8 * 8
    # Behind the last number there are only larger ones.
    for i in range(width):
        room.laid[n + i] = INFINITY
    if width == LANES:
        compare(x, n, room, LANES, smaller, place)
    else:
        compare(x, n, room, width, smaller, place)


cdef inline void find_places_among(
    const int32_t* smaller, const int32_t* chosen, Py_ssize_t n, Py_ssize_t of, Room room, int32_t* place
) noexcept nogil:
    """Write the places of n chosen ones among themselves, from how many are smaller among all."""
    cdef int32_t *counts = <int32_t*>room.keys
    cdef int32_t *sums = <int32_t*>room.pairs
    cdef Py_ssize_t i
    cdef int32_t total = 0
    memset(counts, 0, of * sizeof(int32_t))
    for i in range(n):
        counts[smaller[chosen[i]]] += 1
    for i in range(of):
        sums[i] = <int32_t>(2 * <int64_t>total + counts[i] - n)
        total += counts[i]
    for i in range(n):
        place[i] = sums[smaller[chosen[i]]]
