/*
 * Image references: imageref.c against the grammar of github.com/distribution/reference written as
 * one POSIX regular expression, and what the gateway makes of a reference.
 *
 * Input: the reference; a NUL ends it.
 */
#include "conf.h"
#include "fuzz.h"
#include "gateway.h"
#include "imageref.h"
#include "mem.h"
#include "reply.h"

#include <jansson.h>
#include <regex.h>

/* In the words of reference.go. A host in brackets is left out on purpose, and only the digests are
 * in that Docker computes. */
#define COMPONENT "[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*"
#define DOMAIN_PART "([A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9])"
#define DOMAIN DOMAIN_PART "(\\." DOMAIN_PART ")*(:[0-9]+)?"
#define NAME "((" DOMAIN ")/)?" COMPONENT "(/" COMPONENT ")*"
#define TAG "[A-Za-z0-9_][A-Za-z0-9_.-]*"
#define DIGEST "(sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})"
#define REFERENCE "^(" NAME ")(:(" TAG "))?(@" DIGEST ")?$"
#define ID "^(sha256:)?[0-9a-f]{64}$"

/* Groups of REFERENCE, counted by their opening brackets. */
enum { GROUP_NAME = 1, GROUP_TAG = 14, GROUP_DIGEST = 15, GROUPS };

#define NAME_MAX_BYTES 255
#define TAG_MAX_BYTES 128

/* What may stand in the path of a URL and means only itself there (RFC 3986: unreserved, and of the
 * others `/`, `:` and `@`). */
#define HARMLESS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._/:@"

/* And what may stand in the name of a container, by HaRP's rules. */
#define APPID "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"

#define URL_BASE "https://cloud.example.org"

static char the_url[] = URL_BASE;
static char the_key[] = "fuzz-shared-key-9f2c";
static const struct conf_daemon harp = {.url = the_url, .key = the_key, .engine_port = 24000};
static const struct gateway_limits limits = {.connect_timeout_ms = 5000, .timeout_ms = 90000};

static char *sent_url;
static char *sent_body;

/* In place of http.c's. */
bool
http_begin(struct http *http, const struct http_request *request, struct err *err)
{
    (void)http;
    (void)err;
    mem_free(sent_url);
    mem_free(sent_body);
    sent_url = mem_strdup(request->url);
    sent_body = mem_strdup(request->body);
    return true;
}

static regex_t reference;
static regex_t id;

static void
compile(void)
{
    static bool compiled;

    if (!compiled) {
        compiled = true;
        FUZZ_CHECK(regcomp(&reference, REFERENCE, REG_EXTENDED) == 0 &&
                       reference.re_nsub + 1 >= GROUPS,
                   "the expression has %zu groups", reference.re_nsub);
        FUZZ_CHECK(regcomp(&id, ID, REG_EXTENDED | REG_NOSUB) == 0, "the other expression");
    }
}

static int
group_length(const regmatch_t *group)
{
    return (int)(group->rm_eo - group->rm_so);
}

static enum imageref_kind
kind_by_grammar(const char *text)
{
    regmatch_t groups[GROUPS];

    compile();
    if (regexec(&id, text, 0, NULL, 0) == 0) {
        return IMAGEREF_ID;
    }
    if (strlen(text) > IMAGEREF_MAX || strncmp(text, "sha256:", 7) == 0 ||
        regexec(&reference, text, GROUPS, groups, 0) != 0 ||
        group_length(&groups[GROUP_NAME]) > NAME_MAX_BYTES ||
        group_length(&groups[GROUP_TAG]) > TAG_MAX_BYTES) {
        return IMAGEREF_INVALID;
    }
    return groups[GROUP_DIGEST].rm_so < 0 ? IMAGEREF_NAME : IMAGEREF_DIGEST;
}

/* The reference in the body of an image_remove, as another program reads it; NULL: not that. */
static char *
body_reference(const char *body)
{
    json_t *root = json_loads(body, JSON_REJECT_DUPLICATES, NULL);
    const char *text = json_string_value(json_object_get(root, "image_ref"));
    char *copy = json_object_size(root) == 1 ? mem_strdup(text) : NULL;

    json_decref(root);
    return copy;
}

static void
check_request_body(const char *text)
{
    char *body = reply_removal_request(text);
    char *read;

    FUZZ_CHECK((body != NULL) == fuzz_is_utf8(text), "body %s", body == NULL ? "none" : body);
    if (body != NULL) {
        read = body_reference(body);
        FUZZ_CHECK(read != NULL && strcmp(read, text) == 0, "%s", body);
        mem_free(read);
    }
    mem_free(body);
}

static void
check_sent(const char *text, enum imageref_kind kind)
{
    /* What Docker could take for the beginning of an ID goes with its tag. */
    bool bare = kind == IMAGEREF_NAME && strspn(text, "0123456789abcdef") == strlen(text);
    char *exact = mem_printf("%s%s", text, bare ? ":latest" : "");
    char *url = mem_printf(URL_BASE "/exapps/app_api/images/%s/json", exact);
    struct err err;
    char *read;

    FUZZ_CHECK(gateway_begin_inspect(NULL, &harp, &limits, text, NULL, &err), "%s", err.text);
    FUZZ_CHECK(strcmp(sent_url, url) == 0 && sent_body == NULL, "%s", sent_url);
    FUZZ_CHECK(gateway_begin_removal(NULL, &harp, &limits, text, NULL, &err), "%s", err.text);
    FUZZ_CHECK(strcmp(sent_url, URL_BASE "/exapps/app_api/docker/exapp/image_remove") == 0, "%s",
               sent_url);
    read = body_reference(sent_body);
    FUZZ_CHECK(read != NULL && strcmp(read, exact) == 0, "%s", sent_body);
    mem_free(read);
    mem_free(url);
    mem_free(exact);
}

/* The same text as the ID of an app, whose container is asked for. */
static void
check_appid(const char *text)
{
    bool plain = text[0] != '\0' && strspn(text, APPID) == strlen(text);
    char *url = mem_printf(URL_BASE "/exapps/app_api/containers/nc_app_%s/json", text);
    struct err err;

    FUZZ_CHECK(gateway_is_appid(text) == (plain && strstr(text, "..") == NULL), "an app's ID");
    if (gateway_is_appid(text)) {
        FUZZ_CHECK(gateway_begin_container(NULL, &harp, &limits, text, NULL, &err), "%s", err.text);
        FUZZ_CHECK(strcmp(sent_url, url) == 0 && sent_body == NULL, "%s", sent_url);
    }
    mem_free(url);
}

/* What is empty, or dots only, would be taken out of a path, and perhaps what is before it. */
static void
check_segments(const char *text)
{
    for (const char *at = text;; at++) {
        size_t length = strcspn(at, "/");

        FUZZ_CHECK(length > strspn(at, "."), "it leads elsewhere");
        at += length;
        if (*at == '\0') {
            return;
        }
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_copy(data, size);
    enum imageref_kind kind = imageref_kind(text);
    enum imageref_kind grammar = kind_by_grammar(text);
    struct err err = {.kind = ERR_NONE};

    FUZZ_CHECK(kind == grammar, "imageref_kind() says %d, the grammar says %d", (int)kind,
               (int)grammar);
    FUZZ_CHECK(!imageref_is_id(text) || kind == IMAGEREF_ID, "an ID of kind %d", (int)kind);
    check_request_body(text);
    check_appid(text);
    if (kind == IMAGEREF_INVALID) {
        FUZZ_CHECK(!gateway_begin_inspect(NULL, &harp, &limits, text, NULL, &err) &&
                       err.kind == ERR_INTERNAL && err.text[0] != '\0',
                   "it is asked for");
        FUZZ_CHECK(!gateway_begin_removal(NULL, &harp, &limits, text, NULL, &err), "it is sent");
    } else {
        FUZZ_CHECK(strspn(text, HARMLESS) == strlen(text), "it holds more than a path may");
        check_segments(text);
        check_sent(text, kind);
    }
    free(text);
    return 0;
}
