"""Propagation of AI revenue along supplier ties, for every date of a panel.

Cost: sweeps x ties, in compressed sparse rows; the number of sweeps grows with -log(tolerance) / -log(delta).
Not polars: a fixed point over a graph has no expression. Updates are made in place (Gauss-Seidel), which needs
fewer sweeps than the plain iteration and reaches the same limit, for the map is monotone and a contraction.
Each date stops on its own, so dates do not influence each other.
"""

from libc.math cimport fabs
from libc.stdint cimport int32_t, int64_t


cdef inline double revenue(
    const int64_t[::1] rows,
    const int64_t[::1] customers,
    const double[::1] flow,
    const double[::1] theta,
    const double[::1] remainder,
    const double[::1] known,
    double delta,
    Py_ssize_t i,
) noexcept nogil:
    """Return x_i = remainder_i + sum_j W_ij (theta_j + delta (1 - theta_j) r_j)."""
    cdef double x = remainder[i]
    cdef Py_ssize_t k
    cdef int64_t j
    for k in range(rows[i], rows[i + 1]):
        j = customers[k]
        x += flow[k] * (theta[j] + delta * (1.0 - theta[j]) * known[j])
    return x


def propagate(
    const int64_t[::1] rows not None,
    const int64_t[::1] customers not None,
    const double[::1] flow not None,
    const double[::1] theta not None,
    const double[::1] disclosed not None,
    const double[::1] remainder not None,
    const int64_t[::1] offsets not None,
    Py_ssize_t first,
    Py_ssize_t last,
    double delta,
    double tolerance,
    Py_ssize_t max_tiers,
    double[::1] scratch not None,
    double[::1] out not None,
    double[::1] error not None,
    int32_t[::1] sweeps not None,
):
    """out = r, the limit from r = disclosed; error[d] bounds its distance; max_tiers < 0: no limit of steps."""
    cdef Py_ssize_t d, i
    cdef double r, change
    with nogil:
        for d in range(first, last):
            for i in range(offsets[d], offsets[d + 1]):
                out[i] = disclosed[i]
            sweeps[d] = 0
            error[d] = 1.0      # r lies in [0, 1]
            while sweeps[d] != max_tiers:
                change = 0.0
                if max_tiers < 0:
                    for i in range(offsets[d], offsets[d + 1]):
                        r = revenue(rows, customers, flow, theta, remainder, out, delta, i)
                        r = min(1.0, max(disclosed[i], r))
                        change = max(change, fabs(r - out[i]))
                        out[i] = r
                else:
                    # Step k must see customers k steps away and no more: all updates from the last step.
                    for i in range(offsets[d], offsets[d + 1]):
                        scratch[i] = out[i]
                    for i in range(offsets[d], offsets[d + 1]):
                        r = revenue(rows, customers, flow, theta, remainder, scratch, delta, i)
                        out[i] = min(1.0, max(disclosed[i], r))
                        change = max(change, fabs(out[i] - scratch[i]))
                sweeps[d] += 1
                error[d] = change * delta / (1.0 - delta)
                if error[d] < tolerance:
                    break
