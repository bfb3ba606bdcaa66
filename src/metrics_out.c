#include "metrics_out.h"

#include "mem.h"
#include "printable.h"

#include <inttypes.h>
#include <stddef.h>

void
metrics_out_init(struct metrics_out *metrics, FILE *file, const char *settings)
{
    metrics->file = file;
    metrics->settings = settings;
    metrics->family = "";
}

void
metrics_out_gauge(struct metrics_out *metrics, const char *name, const char *help)
{
    metrics->family = name;
    (void)fprintf(metrics->file, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
}

static void
metrics_out_label(const struct metrics_out *metrics, const char *before,
                  const struct metrics_label *label)
{
    char *value = printable_dup(label->value);

    (void)fprintf(metrics->file, "%s%s=\"", before, label->name);
    for (const char *at = value; *at != '\0'; at++) {
        if (*at == '"' || *at == '\\') {
            (void)fputc('\\', metrics->file);
        }
        (void)fputc(*at, metrics->file);
    }
    (void)fputc('"', metrics->file);
    mem_free(value);
}

static void
metrics_out_labels(const struct metrics_out *metrics, const struct metrics_label *first,
                   const struct metrics_label *second)
{
    const struct metrics_label settings = {"settings", metrics->settings};

    (void)fprintf(metrics->file, "%s", metrics->family);
    metrics_out_label(metrics, "{", &settings);
    if (first->name != NULL) {
        metrics_out_label(metrics, ",", first);
    }
    if (second->name != NULL) {
        metrics_out_label(metrics, ",", second);
    }
    (void)fputs("} ", metrics->file);
}

void
metrics_out_sample(const struct metrics_out *metrics, struct metrics_label first,
                   struct metrics_label second, int64_t value)
{
    metrics_out_labels(metrics, &first, &second);
    (void)fprintf(metrics->file, "%" PRId64 "\n", value);
}

void
metrics_out_span(const struct metrics_out *metrics, int64_t milliseconds)
{
    const struct metrics_label none = {NULL, NULL};

    metrics_out_labels(metrics, &none, &none);
    (void)fprintf(metrics->file, "%" PRId64 ".%03" PRId64 "\n", milliseconds / 1000,
                  milliseconds % 1000);
}
