/*
 * libcurl, by the names of its own functions, and loaded at the first call: with what it needs
 * itself it is eleven shared libraries, a good part of the time of a run that finds nothing to do,
 * which is what nearly every run of a cron job is.
 *
 * The functions are those that the other http_*.c call, no more. Their types are checked
 * against libcurl's own header.
 */
#include "http_loader.h"

#include "http.h"

/* Here they are functions, not the macros that check the third argument of their callers. */
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt

#include <dlfcn.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#ifndef HARPSWEEP_CURL_SONAME
#define HARPSWEEP_CURL_SONAME "libcurl.so.4"
#endif

#define HTTP_LOADER_FUNCTIONS(X) \
    X(easy_cleanup)              \
    X(easy_getinfo)              \
    X(easy_init)                 \
    X(easy_setopt)               \
    X(easy_strerror)             \
    X(global_cleanup)            \
    X(global_init)               \
    X(multi_add_handle)          \
    X(multi_cleanup)             \
    X(multi_info_read)           \
    X(multi_init)                \
    X(multi_remove_handle)       \
    X(multi_setopt)              \
    X(multi_socket_action)       \
    X(multi_strerror)            \
    X(slist_append)              \
    X(slist_free_all)            \
    X(url)                       \
    X(url_cleanup)               \
    X(url_set)                   \
    X(version_info)

/* NOLINTNEXTLINE(bugprone-macro-parentheses): the name of a member */
#define HTTP_LOADER_MEMBER(name) __typeof__(&curl_##name) name;
static struct {
    HTTP_LOADER_FUNCTIONS(HTTP_LOADER_MEMBER)
} curl;

static char http_loader_problem[256];
static unsigned http_loader_version;

/* Several threads may begin at once; releases before 7.84 initialise for one only. */
static pthread_mutex_t http_loader_lock = PTHREAD_MUTEX_INITIALIZER;

static bool
http_loader_find(void *library, const char *name, void *function, size_t size)
{
    void *symbol = dlsym(library, name);

    if (symbol == NULL) {
        (void)snprintf(http_loader_problem, sizeof http_loader_problem, "%s has no %s",
                       HARPSWEEP_CURL_SONAME, name);
        return false;
    }
    memcpy(function, &symbol, size); /* ISO C has no cast from one to the other */
    return true;
}

#define HTTP_LOADER_FIND(name) \
    &&http_loader_find(library, "curl_" #name, &curl.name, sizeof curl.name)

static bool
http_loader_load_once(void)
{
    static void *library;

    if (library != NULL) {
        return true;
    }
    library = dlopen(HARPSWEEP_CURL_SONAME, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        (void)snprintf(http_loader_problem, sizeof http_loader_problem, "%s", dlerror());
        return false;
    }
    if (!(true HTTP_LOADER_FUNCTIONS(HTTP_LOADER_FIND))) {
        (void)dlclose(library);
        library = NULL;
        return false;
    }
    http_loader_version = curl.version_info(CURLVERSION_NOW)->version_num;
    return true;
}

bool
http_loader_load(void)
{
    bool loaded;

    (void)pthread_mutex_lock(&http_loader_lock);
    loaded = http_loader_load_once();
    (void)pthread_mutex_unlock(&http_loader_lock);
    return loaded;
}

bool
http_loader_has_stale_header(void)
{
    return http_loader_version >= 0x075300 && http_loader_version < 0x080300;
}

const char *
http_loader_error(void)
{
    return http_loader_problem;
}

_Static_assert(sizeof(void *) == sizeof(void (*)(void)), "a callback travels as a pointer");

/* What stands behind the option is told by its number. */
CURLcode
curl_easy_setopt(CURL *handle, CURLoption option, ...)
{
    CURLcode code;
    va_list args;

    va_start(args, option);
    if ((int)option < CURLOPTTYPE_OBJECTPOINT) {
        long number = va_arg(args, long);

        code = curl.easy_setopt(handle, option, number);
    } else {
        void *pointer = va_arg(args, void *);

        code = curl.easy_setopt(handle, option, pointer);
    }
    va_end(args);
    return code;
}

CURLMcode
curl_multi_setopt(CURLM *multi, CURLMoption option, ...)
{
    CURLMcode code;
    va_list args;

    va_start(args, option);
    if ((int)option < CURLOPTTYPE_OBJECTPOINT) {
        long number = va_arg(args, long);

        code = curl.multi_setopt(multi, option, number);
    } else {
        void *pointer = va_arg(args, void *);

        code = curl.multi_setopt(multi, option, pointer);
    }
    va_end(args);
    return code;
}

CURLcode
curl_easy_getinfo(CURL *handle, CURLINFO info, ...)
{
    CURLcode code;
    va_list args;

    va_start(args, info);
    code = curl.easy_getinfo(handle, info, va_arg(args, void *));
    va_end(args);
    return code;
}

CURLcode
curl_global_init(long flags)
{
    CURLcode code = CURLE_FAILED_INIT;

    (void)pthread_mutex_lock(&http_loader_lock);
    if (http_loader_load_once()) {
        code = curl.global_init(flags);
    }
    (void)pthread_mutex_unlock(&http_loader_lock);
    return code;
}

void
curl_global_cleanup(void)
{
    (void)pthread_mutex_lock(&http_loader_lock);
    curl.global_cleanup();
    (void)pthread_mutex_unlock(&http_loader_lock);
}

CURL *
curl_easy_init(void)
{
    return curl.easy_init();
}

void
curl_easy_cleanup(CURL *handle)
{
    curl.easy_cleanup(handle);
}

const char *
curl_easy_strerror(CURLcode code)
{
    return curl.easy_strerror(code);
}

CURLM *
curl_multi_init(void)
{
    return curl.multi_init();
}

CURLMcode
curl_multi_cleanup(CURLM *multi)
{
    return curl.multi_cleanup(multi);
}

CURLMcode
curl_multi_add_handle(CURLM *multi, CURL *handle)
{
    return curl.multi_add_handle(multi, handle);
}

CURLMcode
curl_multi_remove_handle(CURLM *multi, CURL *handle)
{
    return curl.multi_remove_handle(multi, handle);
}

CURLMcode
curl_multi_socket_action(CURLM *multi, curl_socket_t fd, int events, int *running)
{
    return curl.multi_socket_action(multi, fd, events, running);
}

CURLMsg *
curl_multi_info_read(CURLM *multi, int *waiting)
{
    return curl.multi_info_read(multi, waiting);
}

const char *
curl_multi_strerror(CURLMcode code)
{
    return curl.multi_strerror(code);
}

struct curl_slist *
curl_slist_append(struct curl_slist *list, const char *text)
{
    return curl.slist_append(list, text);
}

void
curl_slist_free_all(struct curl_slist *list)
{
    curl.slist_free_all(list);
}

CURLU *
curl_url(void)
{
    return curl.url();
}

void
curl_url_cleanup(CURLU *url)
{
    curl.url_cleanup(url);
}

CURLUcode
curl_url_set(CURLU *url, CURLUPart what, const char *part, unsigned flags)
{
    return curl.url_set(url, what, part, flags);
}

const char *
http_library_version(void)
{
    static char text[48];

    (void)snprintf(text, sizeof text, "libcurl %s",
                   http_loader_load() ? curl.version_info(CURLVERSION_NOW)->version : "not found");
    return text;
}
