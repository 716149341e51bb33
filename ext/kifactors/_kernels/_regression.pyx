"""Weighted least squares per date on industry dummies and a few continuous controls.

Cost: linear in assets, quadratic in controls. The dummies are never built: values are demeaned within industry
(Frisch, Waugh and Lovell), which leaves a system of the size of the controls, solved by Cholesky.
Not polars: a regression per date needs a solve per date.
"""

from libc.math cimport NAN, isnan, sqrt
from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t

cdef enum:
    MAX_CONTROLS = 16

cdef int8_t FITTED = 0
cdef int8_t TOO_FEW = 1
cdef int8_t RANK_DEFICIENT = 2

# A control of whose variation less than this share is left by those before it explains nothing new.
cdef double RANK_FLOOR = 1e-12


cdef inline bint usable(
    const double[:, ::1] controls, const int32_t[::1] codes, Py_ssize_t i
) noexcept nogil:
    cdef Py_ssize_t k
    if codes[i] < 0:
        return False
    for k in range(controls.shape[0]):
        if isnan(controls[k, i]):
            return False
    return True


cdef bint cholesky(double* a, double* b, const double* scale, Py_ssize_t size) noexcept nogil:
    """Solve a x = b in place (a symmetric, rows of MAX_CONTROLS); false if a pivot is rounding only."""
    cdef Py_ssize_t i, j, k
    cdef double total
    for j in range(size):
        total = a[j * MAX_CONTROLS + j]
        for k in range(j):
            total -= a[j * MAX_CONTROLS + k] * a[j * MAX_CONTROLS + k]
        if not total > RANK_FLOOR * scale[j]:
            return False
        a[j * MAX_CONTROLS + j] = sqrt(total)
        for i in range(j + 1, size):
            total = a[i * MAX_CONTROLS + j]
            for k in range(j):
                total -= a[i * MAX_CONTROLS + k] * a[j * MAX_CONTROLS + k]
            a[i * MAX_CONTROLS + j] = total / a[j * MAX_CONTROLS + j]
    for i in range(size):
        for k in range(i):
            b[i] -= a[i * MAX_CONTROLS + k] * b[k]
        b[i] /= a[i * MAX_CONTROLS + i]
    for i in range(size - 1, -1, -1):
        for k in range(i + 1, size):
            b[i] -= a[k * MAX_CONTROLS + i] * b[k]
        b[i] /= a[i * MAX_CONTROLS + i]
    return True


def neutralize(
    const double[::1] values not None,
    const double[:, ::1] controls not None,
    const double[::1] weights not None,
    const int32_t[::1] codes not None,
    const uint8_t[::1] estimation not None,
    const int64_t[::1] offsets not None,
    Py_ssize_t first,
    Py_ssize_t last,
    double[:, ::1] groups not None,
    double[::1] residual not None,
    double[::1] fitted not None,
    int8_t[::1] status not None,
):
    """residual = values - fitted; groups is scratch, a row per industry: weight, mean of values, of controls."""
    cdef Py_ssize_t size = controls.shape[0], columns = controls.shape[0] + 2
    cdef Py_ssize_t d, i, g, k, m, n, used
    cdef double w, fit
    cdef double[MAX_CONTROLS * MAX_CONTROLS] a
    cdef double[MAX_CONTROLS] beta, scale, x
    with nogil:
        for d in range(first, last):
            for g in range(groups.shape[0]):
                for k in range(columns):
                    groups[g, k] = 0.0
            n = used = 0
            for i in range(offsets[d], offsets[d + 1]):
                residual[i] = fitted[i] = NAN
                if not (estimation[i] and usable(controls, codes, i)) or isnan(values[i]) or not weights[i] > 0.0:
                    continue
                g = codes[i]
                n += 1
                used += groups[g, 0] == 0.0
                groups[g, 0] += weights[i]
                groups[g, 1] += weights[i] * values[i]
                for k in range(size):
                    groups[g, 2 + k] += weights[i] * controls[k, i]
            if n - used - size < 1:
                status[d] = TOO_FEW
                continue
            for g in range(groups.shape[0]):
                if groups[g, 0] > 0.0:
                    for k in range(1, columns):
                        groups[g, k] /= groups[g, 0]
            for k in range(size):
                beta[k] = scale[k] = 0.0
                for m in range(size):
                    a[k * MAX_CONTROLS + m] = 0.0
            for i in range(offsets[d], offsets[d + 1]):
                if not (estimation[i] and usable(controls, codes, i)) or isnan(values[i]) or not weights[i] > 0.0:
                    continue
                g = codes[i]
                w = weights[i]
                for k in range(size):
                    x[k] = controls[k, i] - groups[g, 2 + k]
                    scale[k] += w * controls[k, i] * controls[k, i]
                    beta[k] += w * x[k] * (values[i] - groups[g, 1])
                    for m in range(k + 1):
                        a[k * MAX_CONTROLS + m] += w * x[k] * x[m]
            for k in range(size):
                # Judged against what varies within industries, so that the origin of a control does not matter;
                # the second term is what demeaning leaves of a control that does not vary at all.
                scale[k] = max(a[k * MAX_CONTROLS + k], RANK_FLOOR * scale[k])
            if not cholesky(a, beta, scale, size):
                status[d] = RANK_DEFICIENT
                continue
            status[d] = FITTED
            for i in range(offsets[d], offsets[d + 1]):
                if not usable(controls, codes, i) or not groups[codes[i], 0] > 0.0:
                    continue
                g = codes[i]
                fit = groups[g, 1]
                for k in range(size):
                    fit += beta[k] * (controls[k, i] - groups[g, 2 + k])
                fitted[i] = fit
                residual[i] = values[i] - fit
