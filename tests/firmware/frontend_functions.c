/* The elementary functions of frontend_math.h over arrays, for the host's tests. */
#include "frontend_math.h"

void log_of(float *values, int count);
void log1p_of(float *values, int count);
void exp_of(float *values, int count);

void log_of(float *values, int count)
{
    for (int i = 0; i < count; i++) {
        values[i] = frontend_log(values[i]);
    }
}

void log1p_of(float *values, int count)
{
    for (int i = 0; i < count; i++) {
        values[i] = frontend_log1p(values[i]);
    }
}

void exp_of(float *values, int count)
{
    for (int i = 0; i < count; i++) {
        values[i] = frontend_exp(values[i]);
    }
}
