/*
 * Image references, by the grammar of the Docker Engine
 * (github.com/distribution/reference: [host[:port]/]path[:tag][@digest], or an ID).
 */
#ifndef HARPSWEEP_IMAGEREF_H
#define HARPSWEEP_IMAGEREF_H

#include <stdbool.h>

enum imageref_kind {
    IMAGEREF_INVALID,
    IMAGEREF_NAME,   /* name, name:tag */
    IMAGEREF_DIGEST, /* name@sha256:…, name:tag@sha256:… */
    IMAGEREF_ID,     /* sha256: and 64 hex digits, or 64 hex digits */
};

/* Longest reference anybody may store, in bytes (the CHECK of job.image_ref says the same). */
#define IMAGEREF_MAX 512

/* What kind of reference text is. Every valid one consists of characters that
 * mean nothing special in the path of a URL. */
enum imageref_kind imageref_kind(const char *text);

/* Whether text is `sha256:` and 64 lower-case hex digits. */
bool imageref_is_id(const char *text);

#endif
