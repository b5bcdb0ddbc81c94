#include "nn_pool.h"

/* What one window sees of the image. */
struct view {
    const int8_t *first;
    int32_t rows;
    int32_t columns;
    int32_t row_bytes;
    int32_t column_bytes;
};

static int32_t average(const struct view *view, int32_t channel)
{
    const int32_t count = view->rows * view->columns;
    int32_t sum = 0;
    for (int32_t y = 0; y < view->rows; y++)
        for (int32_t x = 0; x < view->columns; x++)
            sum += view->first[y * view->row_bytes + x * view->column_bytes + channel];
    return (sum > 0 ? sum + count / 2 : sum - count / 2) / count; /* halves away from zero */
}

static int32_t maximum(const struct view *view, int32_t channel)
{
    int32_t largest = INT8_MIN;
    for (int32_t y = 0; y < view->rows; y++)
        for (int32_t x = 0; x < view->columns; x++) {
            const int32_t value = view->first[y * view->row_bytes + x * view->column_bytes + channel];
            largest = value > largest ? value : largest;
        }
    return largest;
}

static inline void pool(const struct nn_pool *p, const int8_t *input, int8_t *output,
                        int32_t (*function)(const struct view *view, int32_t channel))
{
    const struct nn_window *const window = &p->window;
    struct view view = {.row_bytes = window->input_width * p->channels, .column_bytes = p->channels};
    for (int32_t i = 0; i < window->output_height; i++) {
        const int32_t top = i * window->stride_height - window->pad_top;
        const struct nn_span y = nn_inside(top, 1, window->filter_height, window->input_height);
        for (int32_t j = 0; j < window->output_width; j++) {
            const int32_t left = j * window->stride_width - window->pad_left;
            const struct nn_span x = nn_inside(left, 1, window->filter_width, window->input_width);
            view.first = input + (top + y.first) * view.row_bytes + (left + x.first) * view.column_bytes;
            view.rows = y.end - y.first;
            view.columns = x.end - x.first;
            for (int32_t channel = 0; channel < p->channels; channel++) {
                int32_t value = function(&view, channel);
                value = value < p->minimum ? p->minimum : value;
                *output++ = (int8_t)(value > p->maximum ? p->maximum : value);
            }
        }
    }
}

void nn_pool_average(const struct nn_pool *p, const int8_t *input, int8_t *output)
{
    pool(p, input, output, average);
}

void nn_pool_maximum(const struct nn_pool *p, const int8_t *input, int8_t *output)
{
    pool(p, input, output, maximum);
}
