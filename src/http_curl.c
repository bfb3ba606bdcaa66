#include "clock.h"
#include "http_loader.h"
#include "http_slot.h"
#include "mem.h"

#include <curl/curl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/* HAProxy closes idle connections after 30 s: one that is older is not worth a try. */
#define HTTP_IDLE_MAX_S 25L
/* Answers are short, so a request needs no more room to read into at once. */
#define HTTP_READ_SIZE 4096L

_Static_assert(HTTP_DETAIL_SIZE >= CURL_ERROR_SIZE, "libcurl writes that much");

/* An answer follows a preliminary one, as libcurl counts them; here "101" is one. */
static bool
http_ends_head(const struct http_slot *slot)
{
    long status = 0;

    (void)curl_easy_getinfo(slot->handle, CURLINFO_RESPONSE_CODE, &status);
    return status < 100 || status > 199;
}

static size_t
http_on_header(char *data, size_t size, size_t count, void *context)
{
    struct http_slot *slot = context;
    bool taken = http_take_header(slot, data, size * count);

    if (slot->shows_headers && size * count > 0 && (*data == '\r' || *data == '\n')) {
        slot->in_body = http_ends_head(slot);
    }
    return taken ? size * count : 0;
}

static size_t
http_on_body(char *data, size_t size, size_t count, void *context)
{
    return http_take_body(context, data, size * count) ? size * count : 0;
}

static int
http_on_open(void *context, curl_socket_t fd, curlsocktype purpose)
{
    (void)purpose;
    http_multi_opened(context, fd);
    return CURL_SOCKOPT_OK;
}

static int
http_on_close(void *context, curl_socket_t fd)
{
    http_multi_close_socket(context, fd);
    return 0;
}

#if LIBCURL_VERSION_NUM >= 0x075000
/* The last moment before the request goes out, also where libcurl repeats it. Whoever began it
 * looked at the clock, but this process, or the whole machine, may have been stopped since. */
static int
http_on_send(void *context, char *remote, char *local, int remote_port, int local_port)
{
    struct http_slot *slot = context;

    (void)remote;
    (void)local;
    (void)remote_port;
    (void)local_port;
    slot->late = slot->send_by_ms != 0 && clock_boot_ms() >= slot->send_by_ms;
    return slot->late ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}
#endif

static bool
http_set_manners(CURL *handle)
{
    bool ok = true;

    HTTP_SET(ok, handle, CURLOPT_NOSIGNAL, 1L);
    HTTP_SET(ok, handle, CURLOPT_NOPROGRESS, 1L);
#if LIBCURL_VERSION_NUM >= 0x075500
    HTTP_SET(ok, handle, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    HTTP_SET(ok, handle, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    /* A redirect or a proxy would get to see the key. */
    HTTP_SET(ok, handle, CURLOPT_FOLLOWLOCATION, 0L);
    HTTP_SET(ok, handle, CURLOPT_PROXY, "");
    HTTP_SET(ok, handle, CURLOPT_NOPROXY, "*");
    HTTP_SET(ok, handle, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    HTTP_SET(ok, handle, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    HTTP_SET(ok, handle, CURLOPT_HTTP09_ALLOWED, 0L);
    HTTP_SET(ok, handle, CURLOPT_SSL_VERIFYPEER, 1L);
    HTTP_SET(ok, handle, CURLOPT_SSL_VERIFYHOST, 2L);
    HTTP_SET(ok, handle, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    HTTP_SET(ok, handle, CURLOPT_MAXAGE_CONN, HTTP_IDLE_MAX_S);
    HTTP_SET(ok, handle, CURLOPT_BUFFERSIZE, HTTP_READ_SIZE);
    return ok;
}

/* Gives the slot a handle with everything that stays the same from request to request. */
static bool
http_make_handle(struct http_slot *slot, const char *ca_file)
{
    CURL *handle = curl_easy_init();
    bool ok = handle != NULL && http_set_manners(handle);

    if (ok) {
        HTTP_SET(ok, handle, CURLOPT_ERRORBUFFER, slot->detail);
        HTTP_SET(ok, handle, CURLOPT_HEADERFUNCTION, http_on_header);
        HTTP_SET(ok, handle, CURLOPT_HEADERDATA, slot);
        HTTP_SET(ok, handle, CURLOPT_WRITEFUNCTION, http_on_body);
        HTTP_SET(ok, handle, CURLOPT_WRITEDATA, slot);
        HTTP_SET(ok, handle, CURLOPT_SOCKOPTFUNCTION, http_on_open);
        HTTP_SET(ok, handle, CURLOPT_SOCKOPTDATA, slot->http);
        HTTP_SET(ok, handle, CURLOPT_CLOSESOCKETFUNCTION, http_on_close);
        HTTP_SET(ok, handle, CURLOPT_CLOSESOCKETDATA, slot->http);
#if LIBCURL_VERSION_NUM >= 0x075000
        HTTP_SET(ok, handle, CURLOPT_PREREQFUNCTION, http_on_send);
        HTTP_SET(ok, handle, CURLOPT_PREREQDATA, slot);
#endif
    }
    slot->shows_headers = http_loader_has_stale_header();
    if (slot->shows_headers) {
        HTTP_SET(ok, handle, CURLOPT_HEADER, 1L);
    }
    if (ok && ca_file != NULL) {
        HTTP_SET(ok, handle, CURLOPT_CAINFO, ca_file);
        /* Else the system's folder of certificates would be believed as well. */
        HTTP_SET(ok, handle, CURLOPT_CAPATH, NULL);
    }
    if (!ok) {
        curl_easy_cleanup(handle);
        return false;
    }
    curl_easy_cleanup(slot->handle);
    mem_free(slot->ca_file);
    slot->handle = handle;
    slot->ca_file = mem_strdup(ca_file);
    return true;
}

static bool
http_is_same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool
http_curl_begin(struct http_slot *slot, const struct http_request *request)
{
    bool fits = slot->handle != NULL && http_is_same_text(slot->ca_file, request->ca_file);

    /* Connections are the multi handle's: a new handle goes on with them. */
    if (!fits && !http_make_handle(slot, request->ca_file)) {
        return false;
    }
    return http_request_set(slot, request) && http_multi_add(slot->http, slot->handle);
}

bool
http_curl_read(struct http_slot *slot, long *ret_status, const char **ret_content_type)
{
    char *type = NULL;
    bool told = curl_easy_getinfo(slot->handle, CURLINFO_RESPONSE_CODE, ret_status) == CURLE_OK &&
                curl_easy_getinfo(slot->handle, CURLINFO_CONTENT_TYPE, &type) == CURLE_OK;

    *ret_content_type = type == NULL ? "" : type;
    return told;
}

/* How far a request came, as libcurl knows it. */
struct http_progress {
    bool resolved;
    bool sent;     /* at least a part of the request */
    bool received; /* at least one whole line of an answer */
};

static struct http_progress
http_progress_of(const struct http_slot *slot)
{
    curl_off_t resolved = 0;
    curl_off_t connected = 0;
    long request_size = 0;
    struct http_progress progress;

    (void)curl_easy_getinfo(slot->handle, CURLINFO_NAMELOOKUP_TIME_T, &resolved);
    (void)curl_easy_getinfo(slot->handle, CURLINFO_CONNECT_TIME_T, &connected);
    (void)curl_easy_getinfo(slot->handle, CURLINFO_REQUEST_SIZE, &request_size);
    progress.sent = request_size > 0; /* also on a connection that was there before */
    progress.resolved = resolved > 0 || connected > 0 || progress.sent;
    progress.received = slot->header_bytes > 0 || slot->body.length > 0;
    return progress;
}

static enum http_transport
http_transport_of_timeout(const struct http_progress *progress)
{
    if (progress->received) {
        return HTTP_CUT;
    }
    /* A TLS handshake that gets no answer is no connection yet: a ban's silence comes after it. */
    if (progress->sent) {
        return HTTP_SILENT;
    }
    return progress->resolved ? HTTP_NOT_CONNECTED : HTTP_NOT_RESOLVED;
}

/* libcurl has a hundred ways to fail; those that are not here can't happen with our options. */
/* NOLINTNEXTLINE(readability-function-cognitive-complexity): a table */
static enum http_transport
http_transport_of(CURLcode code, const struct http_slot *slot)
{
    const struct http_progress progress = http_progress_of(slot);

    if (slot->too_large) {
        return HTTP_TOO_LARGE;
    }
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wswitch-enum"
#endif
    switch (code) {
    case CURLE_OK:
        return HTTP_ANSWERED;
    case CURLE_COULDNT_RESOLVE_HOST:
        return HTTP_NOT_RESOLVED;
    case CURLE_COULDNT_CONNECT:
        return HTTP_NOT_CONNECTED;
    case CURLE_OPERATION_TIMEDOUT:
        return http_transport_of_timeout(&progress);
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_ENGINE_NOTFOUND:
    case CURLE_SSL_ENGINE_SETFAILED:
    case CURLE_SSL_ENGINE_INITFAILED:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return HTTP_TLS_FAILED;
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_PARTIAL_FILE:
        return progress.received ? HTTP_CUT : HTTP_CLOSED;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
        return HTTP_NOT_HTTP;
    case CURLE_UNSUPPORTED_PROTOCOL:
        /* Also what libcurl calls a URL that is neither http nor https. */
        return progress.sent ? HTTP_NOT_HTTP : HTTP_FAILED;
    case CURLE_OUT_OF_MEMORY:
        /* What some releases call a header line that is longer than they bear. */
        return progress.sent ? HTTP_TOO_LARGE : HTTP_FAILED;
#if LIBCURL_VERSION_NUM >= 0x080600
    case CURLE_TOO_LARGE:
        return HTTP_TOO_LARGE;
#endif
    default:
        return HTTP_FAILED;
    }
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif
}

void
http_curl_ended(struct http_slot *slot, int result)
{
    const CURLcode code = (CURLcode)result;
    /* libcurl looks at the clock before it looks whether the answer is there. */
    bool late = slot->late || (code == CURLE_OPERATION_TIMEDOUT && http_was_held_up(slot->http));
    enum http_transport transport = late ? HTTP_LATE : http_transport_of(code, slot);
    const char *detail = "";

    if (transport != HTTP_ANSWERED) {
        detail = slot->detail[0] != '\0' ? slot->detail : curl_easy_strerror(code);
    }
    http_finish(slot, transport, detail);
}

void
http_curl_free(struct http_slot *slot)
{
    curl_easy_cleanup(slot->handle);
    slot->handle = NULL;
    http_request_free(slot);
}
