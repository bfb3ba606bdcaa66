/*
 * A few lines at the end of a terminal that are written anew again and again, while messages go by
 * above them. Standard error's, for a program that goes on whatever the terminal does: what a
 * stopped terminal does not take now is left out, and nothing ever waits for it but a message,
 * which would have to wait itself.
 */
#ifndef HARPSWEEP_SCREEN_H
#define HARPSWEEP_SCREEN_H

#include <stdbool.h>
#include <stddef.h>

struct screen;

/* NULL where standard error is no terminal, or one that knows nothing but lines (TERM=dumb).
 * Several threads may write messages then, and show. screen_close() it. */
struct screen *screen_open(void);

/* Columns and rows, as they are now. False where the terminal does not tell. */
bool screen_size(const struct screen *screen, size_t *ret_columns, size_t *ret_rows);

/* Shows text in place of what was shown before: lines with '\n' between them, narrower and fewer
 * than the screen. Nothing while another process has the terminal. */
void screen_show(struct screen *screen, const char *text);

/* Wipes what is shown; NULL is fine. */
void screen_close(struct screen *screen);

#endif
