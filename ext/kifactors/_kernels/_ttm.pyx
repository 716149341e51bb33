"""Trailing twelve months as known on each date: vintages, the four rules, the current period and its past.

Cost: one pass over the facts of an asset in the order they became visible, and a handful of binary searches
whenever a date sees new facts. Not polars: which rule gives a value depends on what else is visible that day.

A *slot* is one (asset, metric, period_start, period_end); its value is that of the latest visible vintage.
Slots of an asset are sorted by (metric, period_end, period_start). Days are counted from 1970-01-01, a period
covers both its first and its last day.
"""

from libc.math cimport NAN, fabs, isnan
from libc.stdint cimport int8_t, int32_t, int64_t
from libc.stdlib cimport abs

cdef enum:
    CAPEX = 0
    REVENUE = 1
    ASSETS = 2
    YEARS = 4       # the current period and three years back

cdef int8_t UNKNOWN = -1
cdef int8_t NONE = 0
cdef int8_t ANNUAL = 1
cdef int8_t YEAR_TO_DATE = 2
cdef int8_t QUARTERS = 3

cdef double DAYS_PER_YEAR = 365.25


cdef struct Rules:
    int year_low, year_high, quarter_low, quarter_high, span_tolerance, gap_tolerance, match_days


cdef struct Slots:
    const int32_t* start
    const int32_t* end
    const double* value
    Py_ssize_t low
    Py_ssize_t high


# What has been worked out: two entries per slot of capex, kept until a fact arrives that may change them.
cdef struct Found:
    double* value
    int8_t* rule


cdef inline int span(Slots s, Py_ssize_t i) noexcept nogil:
    return s.end[i] - s.start[i] + 1


cdef Py_ssize_t at_or_after(Slots s, int32_t day) noexcept nogil:
    """Return the first slot whose end is not before day."""
    cdef Py_ssize_t low = s.low, high = s.high, middle
    while low < high:
        middle = (low + high) // 2
        if s.end[middle] < day:
            low = middle + 1
        else:
            high = middle
    return low


cdef double annual(Slots s, int32_t day, Rules rules) noexcept nogil:
    """Rule 1: the value of the fact that ends on day and spans a year; of several, the one nearest to 365 days."""
    cdef Py_ssize_t i = at_or_after(s, day)
    cdef int distance, nearest = 1000
    cdef double value = NAN
    while i < s.high and s.end[i] == day:
        if not isnan(s.value[i]) and rules.year_low <= span(s, i) <= rules.year_high:
            distance = abs(span(s, i) - 365)
            if distance < nearest:
                nearest = distance
                value = s.value[i]
        i += 1
    return value


cdef double year_before(Slots s, int32_t start, Rules rules) noexcept nogil:
    """Return the year that ends just before start: the nearest end, then the span nearest to 365 days."""
    cdef Py_ssize_t i = at_or_after(s, start - 1 - rules.gap_tolerance)
    cdef int distance, nearest = 1000000
    cdef double value = NAN
    while i < s.high and s.end[i] <= start - 1 + rules.gap_tolerance:
        if not isnan(s.value[i]) and rules.year_low <= span(s, i) <= rules.year_high:
            distance = 1000 * abs(s.end[i] - (start - 1)) + abs(span(s, i) - 365)
            if distance < nearest:
                nearest = distance
                value = s.value[i]
        i += 1
    return value


cdef double same_span_a_year_ago(Slots s, Py_ssize_t current, Rules rules) noexcept nogil:
    """Return the fact of nearly the same span that ends a year earlier: nearest end, then nearest span."""
    cdef Py_ssize_t i = at_or_after(s, s.end[current] - rules.year_high)
    cdef int distance, nearest = 1000000
    cdef double value = NAN
    while i < s.high and s.end[i] <= s.end[current] - rules.year_low:
        if not isnan(s.value[i]) and abs(span(s, i) - span(s, current)) <= rules.span_tolerance:
            distance = 1000 * abs(s.end[current] - s.end[i] - 365) + abs(span(s, i) - span(s, current))
            if distance < nearest:
                nearest = distance
                value = s.value[i]
        i += 1
    return value


cdef double year_to_date(Slots s, int32_t day, Rules rules) noexcept nogil:
    """Rule 2: FY(P0) + YTD(P) - YTD(P - 1 year), with the longest year to date for which all three are there."""
    cdef Py_ssize_t i = at_or_after(s, day)
    cdef double year, ago
    while i < s.high and s.end[i] == day:
        # Starts ascend within one end, so the longest span comes first.
        if not isnan(s.value[i]) and span(s, i) < rules.year_low:
            year = year_before(s, s.start[i], rules)
            ago = same_span_a_year_ago(s, i, rules)
            if not isnan(year) and not isnan(ago):
                return year + s.value[i] - ago
        i += 1
    return NAN


cdef Py_ssize_t quarter(Slots s, int32_t low, int32_t high, int32_t wanted, Rules rules) noexcept nogil:
    """Return the visible quarter that ends in [low, high], nearest to wanted, then to 91 days; -1 for none."""
    cdef Py_ssize_t i = at_or_after(s, low), found = -1
    cdef int distance, nearest = 1000000
    while i < s.high and s.end[i] <= high:
        if not isnan(s.value[i]) and rules.quarter_low <= span(s, i) <= rules.quarter_high:
            distance = 1000 * abs(s.end[i] - wanted) + abs(span(s, i) - 91)
            if distance < nearest:
                nearest = distance
                found = i
        i += 1
    return found


cdef double four_quarters(Slots s, int32_t day, Rules rules) noexcept nogil:
    """Rule 3: the sum of four consecutive quarters, the last of which ends on day."""
    cdef Py_ssize_t i = quarter(s, day, day, day, rules), _n
    cdef int32_t before
    cdef double total
    if i < 0:
        return NAN
    total = s.value[i]
    for _n in range(3):
        before = s.start[i] - 1
        i = quarter(s, before - rules.gap_tolerance, before + rules.gap_tolerance, before, rules)
        if i < 0:
            return NAN
        total += s.value[i]
    return total


cdef double trailing(Slots s, int32_t day, Rules rules, int8_t* rule) noexcept nogil:
    cdef double value = annual(s, day, rules)
    rule[0] = ANNUAL
    if isnan(value):
        value = year_to_date(s, day, rules)
        rule[0] = YEAR_TO_DATE
    if isnan(value):
        value = four_quarters(s, day, rules)
        rule[0] = QUARTERS
    if isnan(value):
        rule[0] = NONE
    return value


cdef bint both(Slots capex, Slots sales, Py_ssize_t i, Rules rules, Found found) noexcept nogil:
    """Work out both flows at the end of capex slot i, the first of its end, unless that is known already."""
    cdef double *value = found.value + 2 * i
    cdef int8_t *rule = found.rule + 2 * i
    if rule[CAPEX] == UNKNOWN:
        value[CAPEX] = trailing(capex, capex.end[i], rules, &rule[CAPEX])
        rule[REVENUE] = NONE
        if rule[CAPEX] != NONE:
            value[REVENUE] = trailing(sales, capex.end[i], rules, &rule[REVENUE])
    return rule[CAPEX] != NONE and rule[REVENUE] != NONE


cdef void forget(Slots capex, int32_t end, Rules rules, Found found) noexcept nogil:
    """Drop what a new fact with this end may change: no rule looks back further than two years of quarters."""
    cdef Py_ssize_t i = at_or_after(capex, end)
    cdef int32_t last = end + rules.year_high + 4 * (rules.quarter_high + rules.gap_tolerance)
    while i < capex.high and capex.end[i] <= last:
        found.rule[2 * i + CAPEX] = UNKNOWN
        i += 1


cdef Py_ssize_t current_period(Slots capex, Slots sales, Rules rules, Found found) noexcept nogil:
    """Return the slot of the latest end at which trailing capex and revenue both exist; -1 if there is none."""
    cdef Py_ssize_t i = capex.high - 1
    while i >= capex.low:
        # Slots of one end stand together: judge each end once.
        while i > capex.low and capex.end[i - 1] == capex.end[i]:
            i -= 1
        if both(capex, sales, i, rules, found):
            return i
        i -= 1
    return -1


cdef Py_ssize_t period_near(Slots capex, Slots sales, double wanted, Rules rules, Found found) noexcept nogil:
    """Return the slot of the end nearest to wanted (of two, the later) at which both exist, within match_days."""
    cdef Py_ssize_t i = at_or_after(capex, <int32_t>(wanted - rules.match_days)), near = -1
    cdef double nearest = rules.match_days, distance
    while i < capex.high and capex.end[i] <= wanted + rules.match_days:
        distance = fabs(capex.end[i] - wanted)
        if distance <= nearest and (i == capex.low or capex.end[i - 1] != capex.end[i]):
            if both(capex, sales, i, rules, found):
                nearest = distance
                near = i
        i += 1
    return near


def trailing_twelve_months(
    const int64_t[::1] slot_offsets not None,
    const int8_t[::1] slot_metric not None,
    const int32_t[::1] slot_start not None,
    const int32_t[::1] slot_end not None,
    const int64_t[::1] fact_offsets not None,
    const int64_t[::1] fact_slot not None,
    const int32_t[::1] fact_visible not None,
    const double[::1] fact_value not None,
    const int32_t[::1] dates not None,
    Py_ssize_t first,
    Py_ssize_t last,
    const int32_t[::1] rules not None,
    int32_t max_age_days,
    const int64_t[:, ::1] rows not None,
    double[::1] latest not None,
    double[:, ::1] value not None,
    int8_t[:, ::1] value_rule not None,
    int32_t[:, ::1] periods not None,
    double[:, ::1] capex not None,
    double[:, ::1] revenue not None,
    double[::1] assets not None,
    int8_t[:, ::1] used not None,
):
    """Fill periods, capex, revenue [row, years back], assets and used rules for assets first to last.

    rows [asset, date] says which row of the output is wanted; -1: none. latest (a value per slot), value and
    value_rule (two per slot) are scratch. A current period older than max_age_days leaves NEVER and NaN.
    """
    cdef Py_ssize_t a, d, f, i, k
    cdef int64_t row
    cdef bint changed
    cdef Slots c, r, stock
    cdef Rules limits
    cdef Found found
    cdef Py_ssize_t[YEARS] period       # slots of capex, -1 for none
    cdef double asset_value
    limits.year_low = rules[0]
    limits.year_high = rules[1]
    limits.quarter_low = rules[2]
    limits.quarter_high = rules[3]
    limits.span_tolerance = rules[4]
    limits.gap_tolerance = rules[5]
    limits.match_days = rules[6]
    with nogil:
        for a in range(first, last):
            if slot_offsets[a] == slot_offsets[a + 1]:
                continue
            found.value = &value[0, 0]
            found.rule = &value_rule[0, 0]
            c.start = r.start = stock.start = &slot_start[0]
            c.end = r.end = stock.end = &slot_end[0]
            c.value = r.value = stock.value = &latest[0]
            c.low = i = slot_offsets[a]
            while i < slot_offsets[a + 1] and slot_metric[i] == CAPEX:
                i += 1
            c.high = r.low = i
            while i < slot_offsets[a + 1] and slot_metric[i] == REVENUE:
                i += 1
            r.high = stock.low = i
            stock.high = slot_offsets[a + 1]
            for i in range(slot_offsets[a], slot_offsets[a + 1]):
                latest[i] = NAN
                found.rule[2 * i + CAPEX] = UNKNOWN
            f = fact_offsets[a]
            period[0] = -1
            asset_value = NAN
            changed = False
            for d in range(dates.shape[0]):
                row = rows[a, d]
                if row < 0:
                    continue
                while f < fact_offsets[a + 1] and fact_visible[f] <= dates[d]:
                    i = fact_slot[f]
                    latest[i] = fact_value[f]
                    if slot_metric[i] != ASSETS:
                        forget(c, slot_end[i], limits, found)
                    changed = True
                    f += 1
                if changed:
                    changed = False
                    period[0] = current_period(c, r, limits, found)
                    if period[0] >= 0:
                        for k in range(1, YEARS):
                            period[k] = period_near(
                                c, r, slot_end[period[0]] - DAYS_PER_YEAR * k, limits, found)
                        i = at_or_after(stock, slot_end[period[0]])
                        asset_value = (
                            latest[i] if i < stock.high and slot_end[i] == slot_end[period[0]] else NAN)
                if period[0] < 0 or dates[d] - slot_end[period[0]] > max_age_days:
                    continue
                for k in range(YEARS):
                    if period[k] >= 0:
                        periods[row, k] = slot_end[period[k]]
                        capex[row, k] = value[period[k], CAPEX]
                        revenue[row, k] = value[period[k], REVENUE]
                assets[row] = asset_value
                used[row, CAPEX] = value_rule[period[0], CAPEX]
                used[row, REVENUE] = value_rule[period[0], REVENUE]
