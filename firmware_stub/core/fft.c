#include "fft.h"

#ifdef FRONTEND_FFT

typedef struct {
    lanes re, im;
} complex_value;

static inline complex_value turned(lanes re, lanes im, const fft_real *w)
{
    return (complex_value){ lanes_scaled(re, w[0]) - lanes_scaled(im, w[1]),
                            lanes_scaled(re, w[1]) + lanes_scaled(im, w[0]) };
}

/* Joins the transforms at p, p + length, p + 2 length, p + 3 length; b, c, d are theirs after the twiddles. */
static inline void join4(lanes *re, lanes *im, int length, complex_value b, complex_value c, complex_value d)
{
    const complex_value even = { re[0] + c.re, im[0] + c.im };
    const complex_value odd = { re[0] - c.re, im[0] - c.im };
    const complex_value sum = { b.re + d.re, b.im + d.im };
    const complex_value dif = { b.re - d.re, b.im - d.im };
    re[0] = even.re + sum.re;
    im[0] = even.im + sum.im;
    re[length] = odd.re + dif.im;
    im[length] = odd.im - dif.re;
    re[2 * length] = even.re - sum.re;
    im[2 * length] = even.im - sum.im;
    re[3 * length] = odd.re - dif.im;
    im[3 * length] = odd.im + dif.re;
}

/* The first stage joins single points; its twiddles are all 1. */
static inline void first_stage(lanes *re, lanes *im)
{
    if (FFT_FIRST_LENGTH == 2) {
        for (int p = 0; p < FFT_POINTS; p += 2) {
            const complex_value a = { re[p], im[p] };
            const complex_value b = { re[p + 1], im[p + 1] };
            re[p] = a.re + b.re;
            im[p] = a.im + b.im;
            re[p + 1] = a.re - b.re;
            im[p + 1] = a.im - b.im;
        }
        return;
    }
    for (int p = 0; p < FFT_POINTS; p += 4) {
        const complex_value b = { re[p + 1], im[p + 1] };
        const complex_value c = { re[p + 2], im[p + 2] };
        const complex_value d = { re[p + 3], im[p + 3] };
        join4(re + p, im + p, 1, b, c, d);
    }
}

/* Joins transforms of `length` points by four; gives the next stage's twiddles. Inlined with a constant length, all
 * offsets are immediates: that halves the instructions of a stage. */
static inline __attribute__((always_inline)) const fft_real *stage(lanes *re, lanes *im, int length,
                                                                   const fft_real *w)
{
    for (int k = 0; k < length; k++, w += 6) {
        for (int p = k; p < FFT_POINTS; p += 4 * length) {
            const complex_value b = turned(re[p + length], im[p + length], w);
            const complex_value c = turned(re[p + 2 * length], im[p + 2 * length], w + 2);
            const complex_value d = turned(re[p + 3 * length], im[p + 3 * length], w + 4);
            join4(re + p, im + p, length, b, c, d);
        }
    }
    return w;
}

void fft_complex(lanes *re, lanes *im)
{
    const fft_real *w = fft_twiddles;
    first_stage(re, im);
    w = stage(re, im, FFT_FIRST_LENGTH, w);
    w = stage(re, im, 4 * FFT_FIRST_LENGTH, w);
#if FFT_POINTS > 16 * FFT_FIRST_LENGTH
    w = stage(re, im, 16 * FFT_FIRST_LENGTH, w);
#endif
#if FFT_POINTS > 64 * FFT_FIRST_LENGTH
    w = stage(re, im, 64 * FFT_FIRST_LENGTH, w);
#endif
#if FFT_POINTS > 256 * FFT_FIRST_LENGTH
    w = stage(re, im, 256 * FFT_FIRST_LENGTH, w);
#endif
    (void)w;
}

static inline lanes square_sum(lanes re, lanes im)
{
    return re * re + im * im;
}

void fft_split(const lanes *re, const lanes *im, lanes *power)
{
    const fft_real *w = fft_split_twiddles;
    for (int k = 0; k <= FFT_POINTS / 2; k++, w += 2) {
        const int mirror = (FFT_POINTS - k) % FFT_POINTS;
        const complex_value even = { re[k] + re[mirror], im[k] - im[mirror] };
        const complex_value odd = turned(im[k] + im[mirror], re[mirror] - re[k], w);
        power[k] = square_sum(even.re + odd.re, even.im + odd.im);
        power[FFT_POINTS - k] = square_sum(even.re - odd.re, even.im - odd.im);
    }
}

#endif
