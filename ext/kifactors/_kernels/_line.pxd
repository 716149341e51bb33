"""The verbs of `_line.h`: items of numbered blocks, taken by any number of threads."""

from libc.stdint cimport int64_t

cdef extern from "_line.h" nogil:
    ctypedef struct line:
        int64_t claimed
        int64_t arrived
        int64_t closed
        int64_t stopped
    int64_t claim(line* l)
    bint wait_for(line* l, int64_t block)
    bint last_of(line* l, int64_t items)
    void close_block(line* l, int64_t block)
    void stop(line* l)
