/*
 * Writes the text format that Prometheus reads (its "text-based exposition format", version 0.0.4):
 * families of samples, each with its HELP and TYPE before it.
 */
#ifndef HARPSWEEP_METRICS_OUT_H
#define HARPSWEEP_METRICS_OUT_H

#include <stdint.h>
#include <stdio.h>

struct metrics_out {
    FILE *file;
    const char *settings; /* value of the label "settings" of every sample */
    const char *family;
};

/* A label and its value; name NULL: none. */
struct metrics_label {
    const char *name;
    const char *value;
};

/* settings tells instances apart whose files one collector reads; it must outlive metrics. */
void metrics_out_init(struct metrics_out *metrics, FILE *file, const char *settings);

/* Begins a family of gauges; name must live until the next one. */
void metrics_out_gauge(struct metrics_out *metrics, const char *name, const char *help);

/* A sample of that family. Values of labels are written as they are but for characters that could
 * play with a terminal, and bytes that are not UTF-8: as \\xHH. */
void metrics_out_sample(const struct metrics_out *metrics, struct metrics_label first,
                        struct metrics_label second, int64_t value);

/* The same of a span: in seconds, as Prometheus wants all spans, without labels. */
void metrics_out_span(const struct metrics_out *metrics, int64_t milliseconds);

#endif
