/*
 * What HaRP and Docker say in JSON, read strictly: exact types, no duplicate
 * keys, no nesting beyond what they use, nothing after the value, valid UTF-8.
 * Whatever is not exactly that is "not HaRP" and must never pass as a success.
 * Source: HaRP 0.4.4 (haproxy_agent.py), Docker Engine API 1.41.
 */
#ifndef HARPSWEEP_REPLY_H
#define HARPSWEEP_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Once, before any thread and any other call: jansson, too, ends the process where there is no
 * memory. An answer that could not be parsed for lack of it would count as a stranger's. */
void reply_init(void);

/* Answer of POST …/docker/exapp/image_remove. */
enum reply_removal_kind {
    REPLY_REMOVAL_UNKNOWN, /* not an answer that HaRP gives */
    REPLY_REMOVAL_DELETED, /* deleted:true, no reason */
    REPLY_REMOVAL_NOT_FOUND,
    REPLY_REMOVAL_IN_USE,
};

struct reply_removal {
    enum reply_removal_kind kind;
    int64_t bytes_freed; /* 0…2^43; 0 unless DELETED */
};

struct reply_removal reply_removal_parse(const char *body, size_t length);

/* Answer of GET …/info: whether this HaRP has image_remove (0.4.1 and later). */
enum reply_info_kind {
    REPLY_INFO_UNKNOWN,
    REPLY_INFO_TOO_OLD,
    REPLY_INFO_NO_DOCKER,
    REPLY_INFO_OK
};

struct reply_info {
    enum reply_info_kind kind;
    char version[32]; /* as HaRP wrote it, without a long suffix; "" where it did not */
};

struct reply_info reply_info_parse(const char *body, size_t length);

/* Answer of GET …/images/REF/json (Docker's inspect, status 200). */
#define REPLY_IMAGE_ID_SIZE 72 /* "sha256:" and 64 hex digits, and the NUL */

struct reply_image {
    bool valid; /* the rest means something only where this is true */
    char id[REPLY_IMAGE_ID_SIZE];
    int64_t size;        /* bytes */
    int64_t last_tag_ms; /* Metadata.LastTagTime, milliseconds since 1970; INT64_MIN: never */
    size_t tag_count;    /* RepoTags */
    size_t digest_count; /* RepoDigests */
    char first_tag[256]; /* RepoTags[0], cut where longer; "" where there is none */
};

struct reply_image reply_image_parse(const char *body, size_t length);

/* Answer of GET …/containers/NAME/json (Docker's inspect, status 200). */
struct reply_container {
    bool valid;                         /* the rest means something only where this is true */
    char image_id[REPLY_IMAGE_ID_SIZE]; /* Image */
    char image_ref[513];                /* Config.Image: what it was created from; never cut */
    char status[16];                    /* State.Status: running, exited, created, … */
};

struct reply_container reply_container_parse(const char *body, size_t length);

/* Docker's own {"message":"…"}, its answer to whatever it refuses. */
enum reply_message {
    REPLY_MESSAGE_NONE, /* not a message of Docker's */
    REPLY_MESSAGE_NO_SUCH_IMAGE,
    REPLY_MESSAGE_NO_SUCH_CONTAINER,
    REPLY_MESSAGE_INVALID_REFERENCE,
    REPLY_MESSAGE_OTHER,
};

enum reply_message reply_message_parse(const char *body, size_t length);

/* {"image_ref":"…"}, the body of image_remove. mem_free() it. NULL where ref is not UTF-8. */
char *reply_removal_request(const char *image_ref);

/* jansson's version, "2.14". */
const char *reply_library_version(void);

#endif
