#include "reply.h"

#include "imageref.h"
#include "mem.h"
#include "reply_text.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* An inspect nests five deep; jansson alone would follow 2048 levels on the stack. */
#define REPLY_DEPTH_MAX 24
/* 8 TiB: no image is nearly as large, and the sum over a million of them is still an int64_t, here
 * and in SQL. */
#define REPLY_BYTES_MAX (INT64_C(1) << 43)
/* "-rc.10", ".dev12": no release has more behind its numbers. */
#define REPLY_SUFFIX_MAX 8

static void *
reply_alloc(size_t size)
{
    return mem_alloc(size, 1);
}

void
reply_init(void)
{
    json_set_alloc_funcs(reply_alloc, mem_free);
}

/* NULL where body is not exactly one JSON object. */
static json_t *
reply_parse_object(const char *body, size_t length)
{
    json_error_t error;
    json_t *root;

    /* jansson swallows a NUL behind a number. */
    if (memchr(body, '\0', length) != NULL ||
        !reply_text_is_shallow(body, length, REPLY_DEPTH_MAX)) {
        return NULL;
    }
    root = json_loadb(body, length, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(root)) {
        json_decref(root);
        return NULL;
    }
    return root;
}

/* Whether value is a whole number of bytes. */
static bool
reply_read_bytes(const json_t *value, int64_t *ret_bytes)
{
    json_int_t number;

    if (!json_is_integer(value)) {
        return false;
    }
    number = json_integer_value(value);
    if (number < 0 || number > REPLY_BYTES_MAX) {
        return false;
    }
    *ret_bytes = number;
    return true;
}

static enum reply_removal_kind
reply_removal_kind_of(const json_t *root, int64_t *ret_bytes)
{
    const json_t *deleted = json_object_get(root, "deleted");
    const json_t *bytes = json_object_get(root, "bytes_freed");
    const json_t *reason = json_object_get(root, "reason");
    int64_t freed = 0;

    if (!json_is_boolean(deleted) || (reason != NULL && !json_is_string(reason)) ||
        (bytes != NULL && !reply_read_bytes(bytes, &freed))) {
        return REPLY_REMOVAL_UNKNOWN;
    }
    if (json_is_false(deleted)) {
        bool in_use = reason != NULL && strcmp(json_string_value(reason), "in_use") == 0;

        return in_use && freed == 0 ? REPLY_REMOVAL_IN_USE : REPLY_REMOVAL_UNKNOWN;
    }
    if (bytes == NULL) {
        return REPLY_REMOVAL_UNKNOWN;
    }
    if (reason == NULL) {
        *ret_bytes = freed;
        return REPLY_REMOVAL_DELETED;
    }
    return strcmp(json_string_value(reason), "not_found") == 0 && freed == 0
               ? REPLY_REMOVAL_NOT_FOUND
               : REPLY_REMOVAL_UNKNOWN;
}

struct reply_removal
reply_removal_parse(const char *body, size_t length)
{
    struct reply_removal removal = {.kind = REPLY_REMOVAL_UNKNOWN};
    json_t *root = reply_parse_object(body, length);

    /* Other keys are let be: a later HaRP may say more. */
    if (root != NULL) {
        removal.kind = reply_removal_kind_of(root, &removal.bytes_freed);
    }
    json_decref(root);
    return removal;
}

/* A number says 0.4 for 0.4.1 and 0.4.2, and less for all that came before. */
static enum reply_info_kind
reply_info_of_number(const json_t *version, char text[32])
{
    double number = json_number_value(version);

    if (number < 0.0 || number > 1000.0) {
        return REPLY_INFO_UNKNOWN;
    }
    (void)snprintf(text, 32, "%g", number);
    return number >= 0.4 ? REPLY_INFO_OK : REPLY_INFO_TOO_OLD;
}

static enum reply_info_kind
reply_info_of_text(const json_t *version, char text[32])
{
    static const int first[3] = {0, 4, 1}; /* the first that has image_remove */
    const char *value = json_string_value(version);
    const char *suffix;
    int parts[3];

    if (json_string_length(version) > 31) {
        return REPLY_INFO_UNKNOWN;
    }
    suffix = reply_text_parse_version(value, parts);
    if (suffix == NULL) {
        return REPLY_INFO_UNKNOWN;
    }
    if (strlen(suffix) > REPLY_SUFFIX_MAX) {
        /* It might be a key that was sent; the version goes to the database. */
        (void)snprintf(text, 32, "%d.%d.%d", parts[0], parts[1], parts[2]);
    } else {
        (void)snprintf(text, 32, "%s", value);
    }
    for (int i = 0; i < 3; i++) {
        if (parts[i] != first[i]) {
            return parts[i] > first[i] ? REPLY_INFO_OK : REPLY_INFO_TOO_OLD;
        }
    }
    return REPLY_INFO_OK;
}

struct reply_info
reply_info_parse(const char *body, size_t length)
{
    struct reply_info info = {.kind = REPLY_INFO_UNKNOWN, .version = ""};
    json_t *root = reply_parse_object(body, length);
    const json_t *version = json_object_get(root, "version");
    const json_t *docker = json_object_get(root, "docker");

    if (json_is_string(version)) {
        info.kind = reply_info_of_text(version, info.version);
    } else if (json_is_number(version)) {
        info.kind = reply_info_of_number(version, info.version);
    }
    /* Early releases don't say: they know nothing but Docker. */
    if (docker != NULL && !json_is_boolean(docker)) {
        info.kind = REPLY_INFO_UNKNOWN;
    } else if (json_is_false(docker) && info.kind == REPLY_INFO_OK) {
        info.kind = REPLY_INFO_NO_DOCKER;
    }
    json_decref(root);
    return info;
}

/* Counts the strings of an array, leaving out the "<none>:<none>" of old engines. Null and nothing
 * are empty. False for any other type. */
static bool
reply_count_names(const json_t *names, size_t *ret_count, const char **ret_first)
{
    size_t size = json_array_size(names);

    *ret_count = 0;
    *ret_first = "";
    if (names != NULL && !json_is_null(names) && !json_is_array(names)) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        const char *name = json_string_value(json_array_get(names, i));

        if (name == NULL) {
            return false;
        }
        if (strncmp(name, "<none>", 6) != 0) {
            *ret_first = *ret_count == 0 ? name : *ret_first;
            (*ret_count)++;
        }
    }
    return true;
}

/* Metadata.LastTagTime, which engines leave out where the image never had a tag. */
static bool
reply_read_tag_time(const json_t *metadata, int64_t *ret_ms)
{
    const json_t *time = json_object_get(metadata, "LastTagTime");

    *ret_ms = INT64_MIN;
    if (metadata != NULL && !json_is_null(metadata) && !json_is_object(metadata)) {
        return false;
    }
    if (time == NULL || json_is_null(time)) {
        return true;
    }
    return json_is_string(time) && reply_text_parse_time(json_string_value(time), ret_ms);
}

static bool
reply_read_image(const json_t *root, struct reply_image *image)
{
    const char *id = json_string_value(json_object_get(root, "Id"));
    const json_t *size = json_object_get(root, "Size");
    const char *first_tag;
    const char *first_digest;

    if (id == NULL || !imageref_is_id(id) ||
        (size != NULL && !reply_read_bytes(size, &image->size)) ||
        !reply_count_names(json_object_get(root, "RepoTags"), &image->tag_count, &first_tag) ||
        !reply_count_names(json_object_get(root, "RepoDigests"), &image->digest_count,
                           &first_digest) ||
        !reply_read_tag_time(json_object_get(root, "Metadata"), &image->last_tag_ms)) {
        return false;
    }
    (void)snprintf(image->id, sizeof image->id, "%s", id);
    (void)snprintf(image->first_tag, sizeof image->first_tag, "%s", first_tag);
    return true;
}

struct reply_image
reply_image_parse(const char *body, size_t length)
{
    struct reply_image image = {.valid = false};
    json_t *root = reply_parse_object(body, length);

    image.valid = root != NULL && reply_read_image(root, &image);
    json_decref(root);
    return image;
}

/* Copies the text of a member, which must be there, be a text without control characters, and fit.
 */
static bool
reply_copy_text(const json_t *value, char *text, size_t size)
{
    const char *string = json_string_value(value);
    size_t length = json_string_length(value);

    if (string == NULL || length == 0 || length >= size || strlen(string) != length) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)string[i] < 0x20 || string[i] == 0x7f) {
            return false;
        }
    }
    memcpy(text, string, length + 1);
    return true;
}

struct reply_container
reply_container_parse(const char *body, size_t length)
{
    struct reply_container container = {.valid = false};
    json_t *root = reply_parse_object(body, length);
    const json_t *config = json_object_get(root, "Config");
    const json_t *state = json_object_get(root, "State");

    container.valid = reply_copy_text(json_object_get(root, "Image"), container.image_id,
                                      sizeof container.image_id) &&
                      imageref_is_id(container.image_id) &&
                      reply_copy_text(json_object_get(config, "Image"), container.image_ref,
                                      sizeof container.image_ref) &&
                      reply_copy_text(json_object_get(state, "Status"), container.status,
                                      sizeof container.status);
    json_decref(root);
    return container;
}

enum reply_message
reply_message_parse(const char *body, size_t length)
{
    json_t *root = reply_parse_object(body, length);
    const char *message = json_string_value(json_object_get(root, "message"));
    enum reply_message kind = REPLY_MESSAGE_OTHER;

    if (message == NULL) {
        kind = REPLY_MESSAGE_NONE;
    } else if (reply_text_contains(message, "no such image")) {
        kind = REPLY_MESSAGE_NO_SUCH_IMAGE;
    } else if (reply_text_contains(message, "no such container")) {
        kind = REPLY_MESSAGE_NO_SUCH_CONTAINER;
    } else if (reply_text_contains(message, "invalid reference")) {
        kind = REPLY_MESSAGE_INVALID_REFERENCE;
    }
    json_decref(root);
    return kind;
}

char *
reply_removal_request(const char *image_ref)
{
    static const char before[] = "{\"image_ref\":";
    const size_t begin = sizeof before - 1;
    /* A byte becomes six at most (\u001f), and there are two quotes. */
    const size_t size = strlen(image_ref) * 6 + 2;
    json_t *ref = json_string(image_ref);
    char *text = mem_alloc(begin + size + sizeof "}", 1);
    size_t length = json_dumpb(ref, text + begin, size, JSON_ENCODE_ANY);

    json_decref(ref);
    if (length == 0 || length > size) {
        mem_free(text);
        return NULL;
    }
    memcpy(text, before, begin);
    text[begin + length] = '}';
    return text;
}

const char *
reply_library_version(void)
{
    return jansson_version_str();
}
