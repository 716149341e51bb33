"""Which vector instructions this processor and its operating system can run."""

cdef extern from *:
    """
    #if defined(__GNUC__) && defined(__x86_64__)
    static int kf_avx2(void) { __builtin_cpu_init(); return __builtin_cpu_supports("avx2") != 0; }
    static int kf_avx512(void) {
        __builtin_cpu_init();
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")
            && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    }
    #else
    static int kf_avx2(void) { return 0; }
    static int kf_avx512(void) { return 0; }
    #endif
    """
    bint kf_avx2()
    bint kf_avx512()


def supported():
    """Return the names of the levels wider than the baseline that can run here."""
    return (("avx2",) if kf_avx2() else ()) + (("avx512",) if kf_avx512() else ())
