/* Eight doubles at a time, in the widest registers the compiler was told to use.
 *
 * Every width adds lane k of a sum only to lane k and folds the eight in one fixed order, so all of them give the
 * same bits. `a < b ? a : b` is what lesser() means in every width, NaN and signed zeros included.
 */
#ifndef KIFACTORS_LANES_H
#define KIFACTORS_LANES_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512BW__) && defined(__AVX512VL__)
#include <immintrin.h>

typedef __m512d lanes;
typedef __mmask8 flags;

static inline lanes spread(double x) { return _mm512_set1_pd(x); }
static inline lanes load(const double *x) { return _mm512_loadu_pd(x); }
static inline void store(double *x, lanes a) { _mm512_storeu_pd(x, a); }
static inline lanes plus(lanes a, lanes b) { return _mm512_add_pd(a, b); }
static inline lanes minus(lanes a, lanes b) { return _mm512_sub_pd(a, b); }
static inline lanes times(lanes a, lanes b) { return _mm512_mul_pd(a, b); }
static inline lanes over(lanes a, lanes b) { return _mm512_div_pd(a, b); }
static inline lanes lesser(lanes a, lanes b) { return _mm512_min_pd(a, b); }
static inline lanes greater(lanes a, lanes b) { return _mm512_max_pd(a, b); }
static inline lanes magnitude(lanes a) { return _mm512_abs_pd(a); }
static inline flags known(lanes a) { return _mm512_cmp_pd_mask(a, a, _CMP_ORD_Q); }
static inline flags less(lanes a, lanes b) { return _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ); }
static inline flags at_most(lanes a, lanes b) { return _mm512_cmp_pd_mask(a, b, _CMP_LE_OQ); }
static inline flags both(flags a, flags b) { return a & b; }
static inline flags coded(const int8_t *codes, int8_t code) {
    return (flags)_mm_cmpeq_epi8_mask(_mm_loadl_epi64((const __m128i *)codes), _mm_set1_epi8(code));
}
static inline lanes choose(flags f, lanes a, lanes b) { return _mm512_mask_blend_pd(f, b, a); }
static inline unsigned bits_of(flags f) { return f; }
static inline int count(flags f) { return __builtin_popcount(f); }
static inline int count_twice(flags f, flags g) { return __builtin_popcount(_mm512_kunpackb(f, g)); }
static inline int compress(double *out, flags f, lanes a) {
    _mm512_storeu_pd(out, _mm512_maskz_compress_pd(f, a));
    return count(f);
}
static inline lanes load_where(const double *x, unsigned bits) {
    return _mm512_mask_loadu_pd(_mm512_set1_pd(NAN), (__mmask8)bits, x);
}

#elif defined(__AVX2__)
#include <immintrin.h>

typedef struct { __m256d a, b; } lanes;
typedef struct { __m256d a, b; } flags;

static inline lanes pair(__m256d a, __m256d b) { lanes x = {a, b}; return x; }
static inline flags flag_pair(__m256d a, __m256d b) { flags x = {a, b}; return x; }
static inline lanes spread(double x) { return pair(_mm256_set1_pd(x), _mm256_set1_pd(x)); }
static inline lanes load(const double *x) { return pair(_mm256_loadu_pd(x), _mm256_loadu_pd(x + 4)); }
static inline void store(double *x, lanes v) { _mm256_storeu_pd(x, v.a); _mm256_storeu_pd(x + 4, v.b); }
#define KF_EACH(f, x, y) pair(f((x).a, (y).a), f((x).b, (y).b))
static inline lanes plus(lanes x, lanes y) { return KF_EACH(_mm256_add_pd, x, y); }
static inline lanes minus(lanes x, lanes y) { return KF_EACH(_mm256_sub_pd, x, y); }
static inline lanes times(lanes x, lanes y) { return KF_EACH(_mm256_mul_pd, x, y); }
static inline lanes over(lanes x, lanes y) { return KF_EACH(_mm256_div_pd, x, y); }
static inline lanes lesser(lanes x, lanes y) { return KF_EACH(_mm256_min_pd, x, y); }
static inline lanes greater(lanes x, lanes y) { return KF_EACH(_mm256_max_pd, x, y); }
#undef KF_EACH
static inline lanes magnitude(lanes x) {
    __m256d sign = _mm256_set1_pd(-0.0);
    return pair(_mm256_andnot_pd(sign, x.a), _mm256_andnot_pd(sign, x.b));
}
static inline flags known(lanes x) {
    return flag_pair(_mm256_cmp_pd(x.a, x.a, _CMP_ORD_Q), _mm256_cmp_pd(x.b, x.b, _CMP_ORD_Q));
}
static inline flags less(lanes x, lanes y) {
    return flag_pair(_mm256_cmp_pd(x.a, y.a, _CMP_LT_OQ), _mm256_cmp_pd(x.b, y.b, _CMP_LT_OQ));
}
static inline flags at_most(lanes x, lanes y) {
    return flag_pair(_mm256_cmp_pd(x.a, y.a, _CMP_LE_OQ), _mm256_cmp_pd(x.b, y.b, _CMP_LE_OQ));
}
static inline flags both(flags x, flags y) {
    return flag_pair(_mm256_and_pd(x.a, y.a), _mm256_and_pd(x.b, y.b));
}
static inline flags coded(const int8_t *codes, int8_t code) {
    __m128i same = _mm_cmpeq_epi8(_mm_loadl_epi64((const __m128i *)codes), _mm_set1_epi8(code));
    return flag_pair(_mm256_castsi256_pd(_mm256_cvtepi8_epi64(same)),
                     _mm256_castsi256_pd(_mm256_cvtepi8_epi64(_mm_srli_si128(same, 4))));
}
static inline lanes choose(flags f, lanes x, lanes y) {
    return pair(_mm256_blendv_pd(y.a, x.a, f.a), _mm256_blendv_pd(y.b, x.b, f.b));
}
static inline unsigned bits_of(flags f) {
    return (unsigned)_mm256_movemask_pd(f.a) | (unsigned)_mm256_movemask_pd(f.b) << 4;
}
static inline int count(flags f) { return __builtin_popcount(bits_of(f)); }
static inline int count_twice(flags f, flags g) { return __builtin_popcount(bits_of(f) | bits_of(g) << 8); }
/* Row m of the table brings the doubles whose bit is set in m to the front, as pairs of 32-bit places. */
#define KF_PLACES(a, b, c, d) {2 * a, 2 * a + 1, 2 * b, 2 * b + 1, 2 * c, 2 * c + 1, 2 * d, 2 * d + 1}
static const int32_t kf_front[16][8] = {
    KF_PLACES(0, 0, 0, 0), KF_PLACES(0, 0, 0, 0), KF_PLACES(1, 0, 0, 0), KF_PLACES(0, 1, 0, 0),
    KF_PLACES(2, 0, 0, 0), KF_PLACES(0, 2, 0, 0), KF_PLACES(1, 2, 0, 0), KF_PLACES(0, 1, 2, 0),
    KF_PLACES(3, 0, 0, 0), KF_PLACES(0, 3, 0, 0), KF_PLACES(1, 3, 0, 0), KF_PLACES(0, 1, 3, 0),
    KF_PLACES(2, 3, 0, 0), KF_PLACES(0, 2, 3, 0), KF_PLACES(1, 2, 3, 0), KF_PLACES(0, 1, 2, 3),
};
#undef KF_PLACES
static inline int compress_half(double *out, __m256d f, __m256d a) {
    int m = _mm256_movemask_pd(f);
    __m256i places = _mm256_loadu_si256((const __m256i *)kf_front[m]);
    _mm256_storeu_pd(out, _mm256_castsi256_pd(_mm256_permutevar8x32_epi32(_mm256_castpd_si256(a), places)));
    return __builtin_popcount((unsigned)m);
}
static inline int compress(double *out, flags f, lanes x) {
    int n = compress_half(out, f.a, x.a);
    return n + compress_half(out + n, f.b, x.b);
}
static inline lanes load_where(const double *x, unsigned bits) {
    const __m256i low = _mm256_setr_epi64x(1, 2, 4, 8), high = _mm256_setr_epi64x(16, 32, 64, 128);
    const __m256i all = _mm256_set1_epi64x(bits);
    __m256i f = _mm256_cmpeq_epi64(_mm256_and_si256(all, low), low);
    __m256i g = _mm256_cmpeq_epi64(_mm256_and_si256(all, high), high);
    __m256d nothing = _mm256_set1_pd(NAN);
    return pair(_mm256_blendv_pd(nothing, _mm256_maskload_pd(x, f), _mm256_castsi256_pd(f)),
                _mm256_blendv_pd(nothing, _mm256_maskload_pd(x + 4, g), _mm256_castsi256_pd(g)));
}

#else /* any processor: plain loops over eight, which a compiler may make into vectors */

typedef struct { double x[8]; } lanes;
typedef struct { uint8_t x[8]; } flags;

#define KF_EACH(expression) do { for (int k = 0; k < 8; k++) r.x[k] = (expression); } while (0)
static inline lanes spread(double x) { lanes r; KF_EACH(x); return r; }
static inline lanes load(const double *x) { lanes r; memcpy(r.x, x, sizeof r.x); return r; }
static inline void store(double *x, lanes a) { memcpy(x, a.x, sizeof a.x); }
static inline lanes plus(lanes a, lanes b) { lanes r; KF_EACH(a.x[k] + b.x[k]); return r; }
static inline lanes minus(lanes a, lanes b) { lanes r; KF_EACH(a.x[k] - b.x[k]); return r; }
static inline lanes times(lanes a, lanes b) { lanes r; KF_EACH(a.x[k] * b.x[k]); return r; }
static inline lanes over(lanes a, lanes b) { lanes r; KF_EACH(a.x[k] / b.x[k]); return r; }
static inline lanes lesser(lanes a, lanes b) { lanes r; KF_EACH(a.x[k] < b.x[k] ? a.x[k] : b.x[k]); return r; }
static inline lanes greater(lanes a, lanes b) { lanes r; KF_EACH(a.x[k] > b.x[k] ? a.x[k] : b.x[k]); return r; }
static inline lanes magnitude(lanes a) { lanes r; KF_EACH(fabs(a.x[k])); return r; }
static inline flags known(lanes a) { flags r; KF_EACH(a.x[k] == a.x[k]); return r; }
static inline flags less(lanes a, lanes b) { flags r; KF_EACH(a.x[k] < b.x[k]); return r; }
static inline flags at_most(lanes a, lanes b) { flags r; KF_EACH(a.x[k] <= b.x[k]); return r; }
static inline flags both(flags a, flags b) { flags r; KF_EACH(a.x[k] & b.x[k]); return r; }
static inline flags coded(const int8_t *codes, int8_t code) { flags r; KF_EACH(codes[k] == code); return r; }
static inline lanes choose(flags f, lanes a, lanes b) { lanes r; KF_EACH(f.x[k] ? a.x[k] : b.x[k]); return r; }
#undef KF_EACH
static inline unsigned bits_of(flags f) {
    unsigned bits = 0;
    for (int k = 0; k < 8; k++) bits |= (unsigned)f.x[k] << k;
    return bits;
}
static inline int count(flags f) {
    int n = 0;
    for (int k = 0; k < 8; k++) n += f.x[k];
    return n;
}
static inline int count_twice(flags f, flags g) { return count(f) + count(g); }
static inline int compress(double *out, flags f, lanes a) {
    int n = 0;
    for (int k = 0; k < 8; k++) {
        out[n] = a.x[k];
        n += f.x[k];
    }
    return n;
}
static inline lanes load_where(const double *x, unsigned bits) {
    lanes r;
    for (int k = 0; k < 8; k++) r.x[k] = bits >> k & 1 ? x[k] : NAN;
    return r;
}

#endif

/* The same in every width. */

/* Ask for the cache line of an address; any address may be asked for. */
static inline void prefetch(size_t address) {
#if defined(__GNUC__)
    __builtin_prefetch((const void *)address, 0, 2);
#else
    (void)address;
#endif
}

static inline double total(lanes a) {
    double x[8];
    store(x, a);
    return ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]));
}
static inline double largest(lanes a) {
    double x[8], most;
    store(x, a);
    most = x[0];
    for (int k = 1; k < 8; k++) most = x[k] > most ? x[k] : most;
    return most;
}
static inline double smallest(lanes a) {
    double x[8], least;
    store(x, a);
    least = x[0];
    for (int k = 1; k < 8; k++) least = x[k] < least ? x[k] : least;
    return least;
}
static inline lanes clamp(lanes a, lanes low, lanes high) { return lesser(greater(a, low), high); }

#endif
