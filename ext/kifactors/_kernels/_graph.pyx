"""Propagation of AI revenue along supplier ties: for every date of a panel, for one set of inputs or many.

Cost: sweeps x ties, in compressed sparse rows; the number of sweeps grows with -log(tolerance) / -log(delta).
Not polars: a fixed point over a graph has no expression. What a customer passes on, theta + delta (1 - theta) r,
is kept beside r, so that a tie costs one multiplication and one look-up, asked for before it is needed. Small
graphs are updated in place (Gauss-Seidel), which needs fewer sweeps than the plain iteration and reaches the same
limit, for the map is monotone and a contraction. In large graphs the nodes of a block all see what was known
before the block: any number of threads may share it, and the bits do not depend on them. Many inputs go in groups
of eight columns, a vector each; a column that has converged is left alone, so it ends as it would by itself.
"""

from libc.math cimport fabs
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcpy

from kifactors._kernels._lanes cimport (
    LANES, choose, greater, lanes, less, lesser, load, magnitude, minus, plus, prefetch, spread, store, times)
from kifactors._kernels._line cimport claim, close_block, last_of, line, stop, wait_for

cdef enum:
    WHOLE = 8192    # nodes up to which a graph is updated in place
    BLOCK = 4096    # nodes of a block at least
    BLOCKS = 32     # blocks at most: threads wait for each other after each, and more of them save no sweep
    CHUNK = 512     # nodes a thread takes at a time
    AHEAD = 48      # ties between asking for a customer and using it

cdef struct System:
    # One date for one column or for eight; a node has an entry per column in every array of doubles.
    const int64_t *rows
    const int32_t *customers
    const double *flow
    const double *theta
    const double *disclosed
    const double *remainder
    const double *start
    const int64_t *earlier
    double *passed          # theta + delta (1 - theta) r: what a customer passes on
    double *revenue         # r
    double *fresh           # passed of a block's nodes until it is closed; NULL: updated in place
    Py_ssize_t begin
    Py_ssize_t end
    double delta


cdef void begin_one(System* s, Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    """Start nodes a to b: from the date before, else from a given start, never below what is disclosed."""
    cdef Py_ssize_t i
    cdef double r
    for i in range(a, b):
        r = s.disclosed[i]
        if s.earlier != NULL and s.earlier[i] >= 0:
            r = max(r, s.revenue[s.earlier[i]])
        elif s.start != NULL:
            r = max(r, min(1.0, s.start[i]))
        s.revenue[i] = r
        s.passed[i] = s.theta[i] + s.delta * (1.0 - s.theta[i]) * r


cdef double advance_one(System* s, Py_ssize_t a, Py_ssize_t b, double* target) noexcept nogil:
    """Update nodes a to b; return the largest change. target[i] becomes what node i passes on."""
    cdef Py_ssize_t i, k = s.rows[a], last = s.rows[s.end] - 1
    cdef double x, r, change = 0.0
    for i in range(a, b):
        x = s.remainder[i]
        while k < s.rows[i + 1]:
            prefetch(<size_t>&s.passed[s.customers[min(k + AHEAD, last)]])
            x += s.flow[k] * s.passed[s.customers[k]]
            k += 1
        r = min(1.0, max(s.disclosed[i], x))
        change = max(change, fabs(r - s.revenue[i]))
        s.revenue[i] = r
        target[i] = s.theta[i] + s.delta * (1.0 - s.theta[i]) * r
    return change


cdef void begin_eight(System* s, Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    """Do the same in eight columns."""
    cdef Py_ssize_t i, node
    cdef lanes r, theta, one = spread(1.0), delta = spread(s.delta)
    for node in range(a, b):
        i = LANES * node
        r = load(&s.disclosed[i])
        if s.earlier != NULL and s.earlier[node] >= 0:
            r = greater(r, load(&s.revenue[LANES * s.earlier[node]]))
        elif s.start != NULL:
            r = greater(r, lesser(one, load(&s.start[i])))
        store(&s.revenue[i], r)
        theta = load(&s.theta[i])
        store(&s.passed[i], plus(theta, times(times(delta, minus(one, theta)), r)))


cdef void advance_eight(
    System* s, Py_ssize_t a, Py_ssize_t b, double* target, const double* moving, double* change
) noexcept nogil:
    """Do the same in eight columns, in those that are still moving; raise change to the largest of each."""
    cdef Py_ssize_t i, k = s.rows[a], last = s.rows[s.end] - 1
    cdef size_t customer
    cdef lanes x, r, before, theta, one = spread(1.0), delta = spread(s.delta)
    cdef lanes largest = load(change), half = spread(0.5), moves = load(moving)
    for i in range(a, b):
        x = load(&s.remainder[LANES * i])
        while k < s.rows[i + 1]:
            customer = s.customers[min(k + AHEAD // 4, last)]
            prefetch(<size_t>&s.passed[LANES * customer])
            customer = s.customers[k]
            x = plus(x, times(spread(s.flow[k]), load(&s.passed[LANES * customer])))
            k += 1
        before = load(&s.revenue[LANES * i])
        r = lesser(one, greater(load(&s.disclosed[LANES * i]), x))
        r = choose(less(moves, half), before, r)
        largest = greater(largest, magnitude(minus(r, before)))
        store(&s.revenue[LANES * i], r)
        theta = load(&s.theta[LANES * i])
        store(&target[LANES * i], plus(theta, times(times(delta, minus(one, theta)), r)))
    store(change, largest)


cdef bint settle(
    double* changes, Py_ssize_t chunks, Py_ssize_t width, int64_t sweep, double shrink, double tolerance,
    int64_t max_tiers, double* moving, double* residual, double* error, int32_t* sweeps
) noexcept nogil:
    """Close a sweep: note the largest change of each column that moves; return whether none needs another."""
    cdef Py_ssize_t c, k
    cdef bint done = True
    for k in range(width):
        if sweep == 0:
            moving[k] = residual[k] = error[k] = 1.0    # r lies in [0, 1]
            done = False
        elif moving[k] > 0.5:
            residual[k] = 0.0
            for c in range(chunks):
                residual[k] = max(residual[k], changes[c * width + k])
            error[k] = residual[k] * shrink
            sweeps[k] = <int32_t>sweep
            if error[k] < tolerance:
                moving[k] = 0.0
            else:
                done = False
    for c in range(chunks * width):
        changes[c] = 0.0
    return done or sweep == max_tiers


cdef Py_ssize_t faulty(
    const int64_t[::1] rows, const int32_t[::1] customers, const double[::1] flow, const int64_t[::1] offsets,
    double most,
) noexcept nogil:
    cdef Py_ssize_t d, i, k
    cdef double total
    for d in range(offsets.shape[0] - 1):
        for i in range(offsets[d], offsets[d + 1]):
            total = 0.0
            for k in range(rows[i], rows[i + 1]):
                if customers[k] < offsets[d] or customers[k] >= offsets[d + 1] or not flow[k] >= 0.0:
                    return i
                total += flow[k]
            if not total <= most:
                return i
    return -1


def first_fault(
    const int64_t[::1] rows not None,
    const int32_t[::1] customers not None,
    const double[::1] flow not None,
    const int64_t[::1] offsets not None,
    double most,
):
    """Return the first node with a tie to another date, a flow below 0 or unknown, or flows above most; or -1."""
    cdef Py_ssize_t node
    with nogil:
        node = faulty(rows, customers, flow, offsets, most)
    return node


def scratch_sizes(Py_ssize_t nodes, Py_ssize_t width, bint limited):
    """Return how many doubles `fresh` and `changes` need for a date of that many nodes."""
    block = max(1, block_of(nodes, limited))
    return block * width, (block // CHUNK + 1) * width


cdef Py_ssize_t block_of(Py_ssize_t nodes, bint limited) noexcept nogil:
    # With a limit of steps all nodes must see customers k steps away and no more: all in one block.
    return nodes if limited or nodes <= WHOLE else max(BLOCK, (nodes + BLOCKS - 1) // BLOCKS)


def propagate(
    const int64_t[::1] rows not None,
    const int32_t[::1] customers not None,
    const double[::1] flow not None,
    const double[:, ::1] theta not None,
    const double[:, ::1] disclosed not None,
    const double[:, ::1] remainder not None,
    const double[:, ::1] start not None,
    const int64_t[::1] earlier not None,
    const int64_t[::1] offsets not None,
    Py_ssize_t first,
    Py_ssize_t last,
    double delta,
    double tolerance,
    Py_ssize_t max_tiers,
    double[:, ::1] passed not None,
    double[:, ::1] revenue not None,
    double[::1] fresh not None,
    double[::1] changes not None,
    double[:, ::1] moving not None,
    int64_t[:, ::1] lines not None,
    double[:, ::1] residual not None,
    double[:, ::1] error not None,
    int32_t[:, ::1] sweeps not None,
):
    """Solve units first to last, each a date of a group of columns: unit = group x dates + date.

    Arrays of doubles have a row per group, in it the nodes, each with its columns: one, or eight. revenue = r, the
    limit; residual = the largest change of the last of sweeps, error = what is then at most missing. Threads that
    share a unit share fresh, changes, moving and lines; lines is 0 at the start of a unit. Empty start: disclosed.
    Empty earlier: no date starts from the one before. max_tiers < 0: no limit of steps.
    """
    cdef Py_ssize_t dates = offsets.shape[0] - 1, width = residual.shape[1], unit, d, g
    cdef Py_ssize_t nodes, block, blocks, chunks, a, b
    cdef int64_t item, number, sweep
    cdef double shrink = delta / (1.0 - delta), change
    cdef bint limited = max_tiers >= 0, one = width == 1
    cdef System s
    cdef line *work
    cdef double *target
    s.rows = &rows[0]
    s.customers = &customers[0] if customers.shape[0] else NULL
    s.flow = &flow[0] if flow.shape[0] else NULL
    s.earlier = &earlier[0] if earlier.shape[0] else NULL
    s.start = NULL
    s.delta = delta
    with nogil:
        for unit in range(first, last):
            g = unit // dates
            d = unit % dates
            s.begin = offsets[d]
            s.end = offsets[d + 1]
            nodes = s.end - s.begin
            if nodes == 0:
                continue
            s.theta = &theta[g, 0]
            s.disclosed = &disclosed[g, 0]
            s.remainder = &remainder[g, 0]
            if start.shape[0]:
                s.start = &start[g, 0]
            s.passed = &passed[g, 0]
            s.revenue = &revenue[g, 0]
            block = block_of(nodes, limited)
            blocks = (nodes + block - 1) // block
            s.fresh = &fresh[0] if limited or nodes > WHOLE else NULL
            chunks = (block + CHUNK - 1) // CHUNK if s.fresh != NULL else 1
            work = <line*>&lines[unit, 0]
            while True:
                item = claim(work)
                number = item // chunks
                if not wait_for(work, number):
                    break
                # Sweep 0 lays the start.
                sweep = number // blocks
                a = s.begin + (number % blocks) * block
                target = s.passed if s.fresh == NULL else s.fresh - width * a
                b = min(s.end, a + block)
                if s.fresh != NULL:
                    a += (item % chunks) * CHUNK
                    b = min(b, a + CHUNK)
                if a < b:
                    if sweep == 0:
                        if one:
                            begin_one(&s, a, b)
                        else:
                            begin_eight(&s, a, b)
                    elif one:
                        change = advance_one(&s, a, b, target)
                        changes[item % chunks] = max(changes[item % chunks], change)
                    else:
                        advance_eight(&s, a, b, target, &moving[unit, 0], &changes[item % chunks * width])
                if last_of(work, chunks):
                    a = s.begin + (number % blocks) * block
                    b = min(s.end, a + block)
                    if sweep > 0 and s.fresh != NULL:
                        memcpy(&s.passed[width * a], s.fresh, (b - a) * width * sizeof(double))
                    if number % blocks == blocks - 1 and settle(
                            &changes[0], chunks, width, sweep, shrink, tolerance, max_tiers, &moving[unit, 0],
                            &residual[unit, 0], &error[unit, 0], &sweeps[unit, 0]):
                        stop(work)
                        break
                    close_block(work, number)
