/* libcurl, and the dynamic linker that brings it. */
#include "torture.h"

/* Here they are functions, not the macros that check the third argument of their callers. */
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt

#include <dlfcn.h>
#include <stdarg.h>
#include <stddef.h>

TORTURE_WRAP(void *, dlopen, const char *path, int flags)
{
    /* What is not there, so that dlerror() has something to say. */
    return __real_dlopen(torture_fails(TORTURE_CURL, "dlopen", 1) != 0 ? "/nonexistent" : path,
                         flags);
}

TORTURE_WRAP(void *, dlsym, void *library, const char *name)
{
    return __real_dlsym(library,
                        torture_fails(TORTURE_CURL, "dlsym", 1) != 0 ? "nonexistent" : name);
}

TORTURE_WRAP(CURLcode, curl_global_init, long flags)
{
    return torture_fails(TORTURE_CURL, "curl_global_init", 1) != 0 ? CURLE_FAILED_INIT
                                                                   : __real_curl_global_init(flags);
}

TORTURE_WRAP(CURL *, curl_easy_init, void)
{
    return torture_fails(TORTURE_CURL, "curl_easy_init", 1) != 0 ? NULL : __real_curl_easy_init();
}

TORTURE_WRAP(CURLU *, curl_url, void)
{
    return torture_fails(TORTURE_CURL, "curl_url", 1) != 0 ? NULL : __real_curl_url();
}

TORTURE_WRAP(CURLUcode, curl_url_set, CURLU *url, CURLUPart what, const char *part, unsigned flags)
{
    return torture_fails(TORTURE_CURL, "curl_url_set", 1) != 0
               ? CURLUE_OUT_OF_MEMORY
               : __real_curl_url_set(url, what, part, flags);
}

TORTURE_WRAP(CURLcode, curl_easy_setopt, CURL *handle, CURLoption option, ...)
{
    CURLcode code = CURLE_OUT_OF_MEMORY;
    va_list args;

    va_start(args, option);
    if (torture_fails(TORTURE_CURL, "curl_easy_setopt", 1) == 0) {
        if ((int)option < CURLOPTTYPE_OBJECTPOINT) {
            code = __real_curl_easy_setopt(handle, option, va_arg(args, long));
        } else {
            code = __real_curl_easy_setopt(handle, option, va_arg(args, void *));
        }
    }
    va_end(args);
    return code;
}

TORTURE_WRAP(CURLcode, curl_easy_getinfo, CURL *handle, CURLINFO info, ...)
{
    CURLcode code = CURLE_BAD_FUNCTION_ARGUMENT;
    va_list args;

    va_start(args, info);
    if (torture_fails(TORTURE_CURL, "curl_easy_getinfo", 1) == 0) {
        code = __real_curl_easy_getinfo(handle, info, va_arg(args, void *));
    }
    va_end(args);
    return code;
}

TORTURE_WRAP(CURLM *, curl_multi_init, void)
{
    return torture_fails(TORTURE_CURL, "curl_multi_init", 1) != 0 ? NULL : __real_curl_multi_init();
}

TORTURE_WRAP(CURLMcode, curl_multi_setopt, CURLM *multi, CURLMoption option, ...)
{
    CURLMcode code = CURLM_UNKNOWN_OPTION;
    va_list args;

    va_start(args, option);
    if (torture_fails(TORTURE_CURL, "curl_multi_setopt", 1) == 0) {
        if ((int)option < CURLOPTTYPE_OBJECTPOINT) {
            code = __real_curl_multi_setopt(multi, option, va_arg(args, long));
        } else {
            code = __real_curl_multi_setopt(multi, option, va_arg(args, void *));
        }
    }
    va_end(args);
    return code;
}

TORTURE_WRAP(CURLMcode, curl_multi_add_handle, CURLM *multi, CURL *handle)
{
    return torture_fails(TORTURE_CURL, "curl_multi_add_handle", 1) != 0
               ? CURLM_OUT_OF_MEMORY
               : __real_curl_multi_add_handle(multi, handle);
}

/* These two do their work, and say that they did not: what they would leave behind is no leak of
 * ours. */
TORTURE_WRAP(CURLMcode, curl_multi_remove_handle, CURLM *multi, CURL *handle)
{
    CURLMcode code = __real_curl_multi_remove_handle(multi, handle);

    return torture_fails(TORTURE_CURL, "curl_multi_remove_handle", 1) != 0 ? CURLM_BAD_EASY_HANDLE
                                                                           : code;
}

TORTURE_WRAP(CURLMcode, curl_multi_cleanup, CURLM *multi)
{
    CURLMcode code = __real_curl_multi_cleanup(multi);

    return torture_fails(TORTURE_CURL, "curl_multi_cleanup", 1) != 0 ? CURLM_INTERNAL_ERROR : code;
}

TORTURE_WRAP(CURLMcode, curl_multi_socket_action, CURLM *multi, curl_socket_t fd, int events,
             int *running)
{
    return torture_fails(TORTURE_CURL, "curl_multi_socket_action", 1) != 0
               ? CURLM_INTERNAL_ERROR
               : __real_curl_multi_socket_action(multi, fd, events, running);
}

/* It cannot fail itself, but is the one that tells how a request ended: after the answer came, as
 * if it had been cut off, had come too late, or had met a lack of memory. */
TORTURE_WRAP(CURLMsg *, curl_multi_info_read, CURLM *multi, int *waiting)
{
    static const CURLcode codes[] = {CURLE_RECV_ERROR, CURLE_OPERATION_TIMEDOUT,
                                     CURLE_OUT_OF_MEMORY};
    static CURLMsg told;
    CURLMsg *message = __real_curl_multi_info_read(multi, waiting);
    int way = message == NULL ? 0 : torture_fails(TORTURE_CURL, "curl_multi_info_read", 3);

    if (way != 0) {
        told = *message;
        told.data.result = codes[way - 1];
        message = &told;
    }
    return message;
}

TORTURE_WRAP(struct curl_slist *, curl_slist_append, struct curl_slist *list, const char *text)
{
    return torture_fails(TORTURE_CURL, "curl_slist_append", 1) != 0
               ? NULL
               : __real_curl_slist_append(list, text);
}
