#include "db.h"
#include "mem.h"

#include <inttypes.h>
#include <string.h>

void
db_args_clear(struct db_args *args)
{
    for (int i = 0; i < args->count; i++) {
        mem_free(args->values[i]);
        args->values[i] = NULL;
    }
    args->count = 0;
}

static void
db_arg_own(struct db_args *args, char *value)
{
    if (args->count == DB_ARGS_MAX) {
        mem_free(value); /* the server then refuses a statement that lacks a parameter */
        return;
    }
    args->values[args->count++] = value;
}

void
db_arg_text(struct db_args *args, const char *value)
{
    db_arg_own(args, mem_strdup(value));
}

void
db_arg_int(struct db_args *args, int64_t value)
{
    db_arg_own(args, mem_printf("%" PRId64, value));
}

void
db_arg_bool(struct db_args *args, bool value)
{
    db_arg_own(args, mem_strdup(value ? "t" : "f"));
}

void
db_arg_array(struct db_args *args, struct buf *array)
{
    (void)buf_add(array, "}", 1);
    db_arg_own(args, mem_strdup(buf_text(array)));
    buf_free(array);
}

void
db_array_begin(struct buf *array)
{
    buf_init(array, SIZE_MAX / 2);
    (void)buf_add(array, "{", 1);
}

static void
db_array_comma(struct buf *array)
{
    if (array->length > 1) {
        (void)buf_add(array, ",", 1);
    }
}

void
db_array_text(struct buf *array, const char *value)
{
    db_array_comma(array);
    if (value == NULL) {
        (void)buf_add(array, "NULL", 4);
        return;
    }
    (void)buf_add(array, "\"", 1);
    for (const char *at = value; *at != '\0';) {
        size_t plain = strcspn(at, "\"\\");

        (void)buf_add(array, at, plain);
        at += plain;
        if (*at != '\0') {
            (void)buf_add(array, "\\", 1);
            (void)buf_add(array, at++, 1);
        }
    }
    (void)buf_add(array, "\"", 1);
}

void
db_array_int(struct buf *array, int64_t value)
{
    char text[24];
    char *at = text + sizeof text;
    uint64_t left = value < 0 ? -(uint64_t)value : (uint64_t)value;

    /* Several of them per job: printf() would be a tenth of what a job costs outside libcurl. */
    do {
        *--at = (char)('0' + left % 10);
        left /= 10;
    } while (left != 0);
    if (value < 0) {
        *--at = '-';
    }
    db_array_comma(array);
    (void)buf_add(array, at, (size_t)(text + sizeof text - at));
}

void
db_array_int_or_null(struct buf *array, int64_t value, bool known)
{
    if (known) {
        db_array_int(array, value);
    } else {
        db_array_text(array, NULL);
    }
}

void
db_array_trim(struct buf *array)
{
    while (array->length > 4 && memcmp(array->data + array->length - 4, "NULL", 4) == 0) {
        array->length -= array->length == 5 ? 4 : 5; /* with the comma before it */
    }
}
