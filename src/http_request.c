/*
 * What a handle is to send. Address and headers hardly change from one request of a slot to its
 * next, so they are taken apart, and put together, where they do.
 */
#define _DEFAULT_SOURCE /* explicit_bzero */
#include "http_slot.h"
#include "mem.h"

#include <curl/curl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#ifndef HARPSWEEP_VERSION
#define HARPSWEEP_VERSION "dev"
#endif

/* The first of the headers. */
#define HTTP_KEY_HEADER "harp-shared-key: "

/* The slist holds the key; libcurl's own copies end with the connection's buffers. */
static void
http_request_drop_headers(struct http_slot *slot)
{
    for (struct curl_slist *item = slot->headers; item != NULL; item = item->next) {
        explicit_bzero(item->data, strlen(item->data));
    }
    curl_slist_free_all(slot->headers);
    slot->headers = NULL;
}

static bool
http_request_add_header(struct http_slot *slot, const char *line)
{
    struct curl_slist *longer = curl_slist_append(slot->headers, line);

    if (longer == NULL) {
        return false;
    }
    slot->headers = longer;
    return true;
}

static bool
http_request_has_headers(const struct http_slot *slot, const struct http_request *request)
{
    return slot->headers != NULL && slot->headers_port == request->engine_port &&
           slot->headers_post == (request->body != NULL) &&
           strcmp(slot->headers->data + strlen(HTTP_KEY_HEADER), request->key) == 0;
}

static bool
http_request_make_headers(struct http_slot *slot, const struct http_request *request)
{
    char *key = mem_printf(HTTP_KEY_HEADER "%s", request->key);
    char port[40];
    bool ok;

    http_request_drop_headers(slot);
    ok = http_request_add_header(slot, key) &&
         http_request_add_header(slot, "User-Agent: harpsweep/" HARPSWEEP_VERSION);
    mem_wipe_free(key);
    if (request->engine_port != 0) {
        (void)snprintf(port, sizeof port, "docker-engine-port: %d", request->engine_port);
        ok = ok && http_request_add_header(slot, port);
    }
    if (request->body != NULL) {
        ok = ok && http_request_add_header(slot, "Content-Type: application/json");
    }
    slot->headers_port = request->engine_port;
    slot->headers_post = request->body != NULL;
    if (!ok) {
        http_request_drop_headers(slot);
    }
    return ok;
}

/* libcurl takes an address apart for each request, and puts it together again, unless it is given
 * in parts. One that it can't take apart is left to the request, which then fails with its reason.
 */
static void
http_request_parse_url(struct http_slot *slot, const char *text)
{
    if (slot->url_text != NULL && strcmp(slot->url_text, text) == 0) {
        return;
    }
    mem_free(slot->url_text);
    slot->url_text = mem_strdup(text);
    curl_url_cleanup(slot->url);
    slot->url = curl_url();
    if (slot->url != NULL && curl_url_set(slot->url, CURLUPART_URL, text, 0) != CURLUE_OK) {
        curl_url_cleanup(slot->url);
        slot->url = NULL;
    }
}

static long
http_request_clamp_ms(int64_t ms)
{
    /* 0 would mean "no limit" to libcurl. */
    return ms < 1 ? 1 : ms > INT_MAX ? INT_MAX : (long)ms;
}

bool
http_request_set(struct http_slot *slot, const struct http_request *request)
{
    CURL *handle = slot->handle;
    bool ok = http_request_has_headers(slot, request) || http_request_make_headers(slot, request);

    http_request_parse_url(slot, request->url);
    HTTP_SET(ok, handle, CURLOPT_URL, request->url);
    HTTP_SET(ok, handle, CURLOPT_CURLU, slot->url); /* the same, in parts; NULL: it alone counts */
    HTTP_SET(ok, handle, CURLOPT_HTTPHEADER, slot->headers);
    HTTP_SET(ok, handle, CURLOPT_CONNECTTIMEOUT_MS,
             http_request_clamp_ms(request->connect_timeout_ms));
    HTTP_SET(ok, handle, CURLOPT_TIMEOUT_MS, http_request_clamp_ms(request->timeout_ms));
    if (request->body == NULL) {
        HTTP_SET(ok, handle, CURLOPT_HTTPGET, 1L);
    } else {
        HTTP_SET(ok, handle, CURLOPT_POST, 1L);
        HTTP_SET(ok, handle, CURLOPT_POSTFIELDSIZE, (long)strlen(request->body));
        HTTP_SET(ok, handle, CURLOPT_COPYPOSTFIELDS, request->body);
    }
    return ok;
}

void
http_request_free(struct http_slot *slot)
{
    http_request_drop_headers(slot);
    curl_url_cleanup(slot->url);
    slot->url = NULL;
    mem_free(slot->url_text);
    slot->url_text = NULL;
}
