/* Answers to image_remove: the table of HaRP's protocol, row by row. */
#include "verdict_case.h"

#define COUNT (sizeof cases / sizeof cases[0])

static struct verdict_case cases[] = {
    /* 200 */
    {"deleted with bytes", ANSWER(200, JSON, "{\"deleted\": true, \"bytes_freed\": 5000}"), 38,
     DONE(REMOVED, 5000), "", NULL},
    {"deleted with 0 bytes and no reason",
     ANSWER(200, JSON, "{\"deleted\": true, \"bytes_freed\": 0}"), 35, DONE(UNTAGGED, 0),
     "only its name was removed: another name or image still needs what is behind it, or it had no "
     "size",
     NULL},
    {"not_found",
     ANSWER(200, JSON, "{\"deleted\": true, \"bytes_freed\": 0, \"reason\": \"not_found\"}"), 58,
     DONE(ABSENT, 0), "the image was gone already", NULL},
    {"in_use", ANSWER(200, JSON, "{\"deleted\": false, \"reason\": \"in_use\"}"), 38, PLAIN(WAIT),
     "in use: a container (also a stopped one), another image or several names need it", NULL},
    {"deleted for a reason that is none",
     ANSWER(200, JSON, "{\"deleted\": true, \"bytes_freed\": 0, \"reason\": \"gone\"}"), 0,
     STOP(NOT_HARP), "the answer is not one that HaRP gives (HTTP 200, application/json, 53 bytes)",
     "/exapps/"},
    {"not deleted for another reason",
     ANSWER(200, JSON, "{\"deleted\": false, \"reason\": \"busy\"}"), 0, STOP(NOT_HARP),
     "the answer is not one that HaRP gives (HTTP 200, application/json, 36 bytes)", "/exapps/"},
    {"no `deleted`", ANSWER(200, JSON, "{\"bytes_freed\": 5000}"), 0, STOP(NOT_HARP),
     "the answer is not one that HaRP gives (HTTP 200, application/json, 21 bytes)", "/exapps/"},
    {"wrong types", ANSWER(200, JSON, "{\"deleted\": \"true\", \"bytes_freed\": \"5000\"}"), 0,
     STOP(NOT_HARP), "the answer is not one that HaRP gives (HTTP 200, application/json, 42 bytes)",
     "/exapps/"},
    {"not JSON", ANSWER(200, JSON, "deleted"), 0, STOP(NOT_HARP),
     "the answer is not one that HaRP gives (HTTP 200, application/json, 7 bytes)", "/exapps/"},
    {"200 with HTML", ANSWER(200, "text/html; charset=UTF-8", "<!DOCTYPE html>\n<html>Log in"), 0,
     STOP(NOT_HARP), "the answer is not one that HaRP gives (HTTP 200, text/html, 28 bytes)",
     "/exapps/"},

    /* 400 */
    {"400 without the engine's port", ANSWER(400, TEXT, "Missing 'docker-engine-port' header."), 36,
     STOP(CONFIGURATION), "HaRP was not told the engine's port (HTTP 400)", "docker_engine_port"},
    {"400 for the engine's port",
     ANSWER(400, TEXT, "Invalid 'docker-engine-port' header value: 70000"), 48, STOP(CONFIGURATION),
     "HaRP does not take the engine's port (HTTP 400)", "docker_engine_port"},
    {"400 Invalid JSON body", ANSWER(400, TEXT, "Invalid JSON body"), 17, PLAIN(FAIL),
     "HaRP can't read the request for this image (HTTP 400)", NULL},
    {"400 Payload validation error",
     ANSWER(400, TEXT,
            "Payload validation error: 1 validation error for RemoveImagePayload\n"
            "image_ref\n"
            "  String should have at least 1 character [type=string_too_short, input_value='', "
            "input_type=str]\n"
            "    For further information visit "
            "https://errors.pydantic.dev/2.13/v/string_too_short"),
     261, PLAIN(FAIL), "HaRP refuses the image reference (HTTP 400)", NULL},
    {"400 HTML",
     ANSWER(400, HTML,
            "<html><body><h1>400 Bad request</h1>\nYour browser sent an invalid request.\n"
            "</body></html>\n"),
     90, STOP(CONFIGURATION), "the request was refused on its way (HTTP 400, text/html, 90 bytes)",
     "https"},
    {"400 with other text",
     ANSWER(400, TEXT, "Got more than 8190 bytes when reading: bytearray(b'aaa...')."), 0,
     STOP(CONFIGURATION), "the request was refused on its way (HTTP 400, text/plain, 60 bytes)",
     "https"},

    /* 401, 403 */
    {"401", ANSWER(401, HAPROXY_TEXT, "401 Unauthorized"), 16, STOP(UNAUTHORIZED),
     "HaRP refuses the shared key (HTTP 401)", "shared_key_file"},
    {"401 of a proxy", ANSWER(401, HTML, "<h1>401 Authorization Required</h1>"), 0,
     STOP(UNAUTHORIZED),
     "something in front of HaRP wants a login, or the shared key is wrong (HTTP 401, text/html, "
     "35 bytes)",
     "shared_key_file"},
    {"403 by administrative rules",
     ANSWER(403, HTML,
            "<html><body><h1>403 Forbidden</h1>\nRequest forbidden by administrative rules.\n"
            "</body></html>\n"),
     93, STOP(TOO_OLD), "refused by a proxy's rules: HaRP before 0.2, or a firewall (HTTP 403)",
     "update HaRP to 0.4.1"},
    {"403 of a firewall", ANSWER(403, HTML, "<h1>Access denied</h1>"), 0, STOP(CONFIGURATION),
     "something in front of HaRP forbids the request (HTTP 403, text/html, 22 bytes)", "firewall"},

    /* 404 */
    {"404 with the colon", ANSWER(404, TEXT, "404: Not Found"), 14, STOP(TOO_OLD),
     "this HaRP does not know the request: it is older than 0.4.1 (HTTP 404)",
     "update HaRP to 0.4.1"},
    {"404 without the colon", ANSWER(404, HAPROXY_TEXT, "404 Not Found"), 13, STOP(CONFIGURATION),
     "HaRP knows no such route: a proxy in front seems to strip /exapps/ (HTTP 404)", "/exapps/"},
    {"404 HTML", ANSWER(404, HTML, "<!DOCTYPE html><title>Not found</title>"), 0, STOP(NOT_HARP),
     "something else answers in HaRP's place (HTTP 404, text/html, 39 bytes)", "/exapps/"},

    /* other 3xx and 4xx */
    {"302", ANSWER(302, HTML, ""), 0, STOP(NOT_HARP),
     "a redirect: something else answers in HaRP's place (HTTP 302, text/html, 0 bytes)",
     "/exapps/"},
    {"301", ANSWER(301, HTML, "moved"), 0, STOP(CONFIGURATION),
     "a redirect, which is not followed (HTTP 301, text/html, 5 bytes)", "url"},
    {"307", ANSWER(307, "", ""), 0, STOP(CONFIGURATION),
     "a redirect, which is not followed (HTTP 307, no content type, 0 bytes)", "url"},
    {"405", ANSWER(405, TEXT, "405: Method Not Allowed"), 23, STOP(CONFIGURATION),
     "a proxy in front of HaRP does not let the request through (HTTP 405, text/plain, 23 bytes)",
     "/exapps/"},
    {"408",
     ANSWER(408, HTML,
            "<html><body><h1>408 Request Time-out</h1>\n"
            "Your browser didn't send a complete request in time.\n</body></html>\n"),
     110, STOP(CONFIGURATION),
     "a proxy in front of HaRP does not let the request through (HTTP 408, text/html, 110 bytes)",
     "/exapps/"},
    {"413",
     ANSWER(413, TEXT, "Maximum request body size 1048576 exceeded, actual body size 1048576"), 68,
     STOP(CONFIGURATION),
     "a proxy in front of HaRP does not let the request through (HTTP 413, text/plain, 68 bytes)",
     "/exapps/"},
    {"429", ANSWER(429, DOCKER_JSON, "{}"), 0, STOP(CONFIGURATION),
     "a proxy in front of HaRP does not let the request through (HTTP 429, application/json, 2 "
     "bytes)",
     "/exapps/"},
    {"418", ANSWER(418, "", ""), 0, STOP(CONFIGURATION),
     "a proxy in front of HaRP does not let the request through (HTTP 418, no content type, 0 "
     "bytes)",
     "/exapps/"},

    /* 500 */
    {"500 An unexpected error",
     ANSWER(500, TEXT, "An unexpected error occurred during image removal."), 50, RETRY_TWO_STOP,
     "Docker closed the connection to HaRP (HTTP 500)", "Docker"},
    {"500 Server got itself in trouble",
     ANSWER(500, TEXT, "500 Internal Server Error\n\nServer got itself in trouble"), 55,
     RETRY_TWO_STOP, "HaRP or the proxy in front has trouble (HTTP 500, text/plain, 55 bytes)",
     "proxy"},

    /* 503 */
    {"503 Could not connect", ANSWER(503, TEXT, "Could not connect to Docker Engine on port 24001"),
     48, STOP(DOWN), "HaRP can't reach the Docker Engine (HTTP 503)", "tunnel"},
    {"503 Status 400",
     ANSWER(503, TEXT, "Error removing image 'Foo/Bar:1' via Docker Engine: Status 400"), 62,
     PLAIN(FAIL), "Docker refuses the image reference (Docker status 400)", NULL},
    {"503 Status 400, the reference echoed with what it holds",
     ANSWER(503, TEXT, "Error removing image 'caf\xc3\xa9/app:1' via Docker Engine: Status 400"),
     64, PLAIN(FAIL), "Docker refuses the image reference (Docker status 400)", NULL},
    {"503 Status 401",
     ANSWER(503, TEXT, "Error removing image 'x/none:1' via Docker Engine: Status 401"), 61,
     STOP(FORBIDDEN), "Docker forbids removing images (Docker status 401)", "plugin"},
    {"503 Status 403",
     ANSWER(503, TEXT, "Error removing image 'x/none:1' via Docker Engine: Status 403"), 61,
     STOP(FORBIDDEN), "Docker forbids removing images (Docker status 403)", "plugin"},
    {"503 Status 500",
     ANSWER(503, TEXT, "Error removing image 'x/none:1' via Docker Engine: Status 500"), 61,
     PLAIN(RETRY), "Docker could not remove the image (Docker status 500)", NULL},
    {"503 Status 204",
     ANSWER(503, TEXT, "Error removing image 'x/none:1' via Docker Engine: Status 204"), 61,
     PLAIN(RETRY), "Docker could not remove the image (Docker status 204)", NULL},
    {"503 Status 301",
     ANSWER(503, TEXT, "Error removing image 'x/none:1' via Docker Engine: Status 301"), 61,
     PLAIN(RETRY), "Docker could not remove the image (Docker status 301)", NULL},
    {"503 (HaRP)", ANSWER(503, HAPROXY_TEXT, "503 Service Unavailable (HaRP)"), 30, STOP(DOWN),
     "HaRP's agent does not answer HAProxy (HTTP 503)", "agent"},
    {"503 HTML, no server",
     ANSWER(503, HTML,
            "<html><body><h1>503 Service Unavailable</h1>\n"
            "No server is available to handle this request.\n</body></html>\n"),
     107, STOP(DOWN), "HaRP's agent is down (HTTP 503)", "agent"},

    /* 504, and the proxy in front */
    {"504 Timeout, image inspect",
     ANSWER(504, TEXT, "Timeout communicating with Docker Engine for image inspect"), 58,
     RETRY_IN(300), "Docker did not answer HaRP in time (HTTP 504)", "Docker"},
    {"504 Timeout, image removal",
     ANSWER(504, TEXT, "Timeout communicating with Docker Engine for image removal"), 58,
     RETRY_IN(300), "Docker did not answer HaRP in time (HTTP 504)", "Docker"},
    {"502 HTML", ANSWER(502, HTML, "<h1>502 Bad Gateway</h1>"), 0, RETRY_TWO_STOP,
     "HaRP or the proxy in front has trouble (HTTP 502, text/html, 24 bytes)", "proxy"},
    {"503 HTML of another proxy", ANSWER(503, HTML, "<h1>Maintenance</h1>"), 0, RETRY_TWO_STOP,
     "HaRP or the proxy in front has trouble (HTTP 503, text/html, 20 bytes)", "proxy"},
    {"504 HTML", ANSWER(504, HTML, "<h1>504 Gateway Time-out</h1>"), 0, RETRY_TWO_STOP,
     "HaRP or the proxy in front has trouble (HTTP 504, text/html, 29 bytes)", "proxy"},
    {"520 HTML", ANSWER(520, HTML, "<title>520: unknown error</title>"), 0, RETRY_TWO_STOP,
     "HaRP or the proxy in front has trouble (HTTP 520, text/html, 33 bytes)", "proxy"},
    {"524 HTML", ANSWER(524, HTML, "<title>524: a timeout occurred</title>"), 0, RETRY_TWO_STOP,
     "HaRP or the proxy in front has trouble (HTTP 524, text/html, 38 bytes)", "proxy"},

    /* white space behind HaRP's words, and its words in another kind of body */
    {"401 with white space behind it", ANSWER(401, TEXT, "401 Unauthorized \t\r\n"), 0,
     STOP(UNAUTHORIZED), "HaRP refuses the shared key (HTTP 401)", "HP_SHARED_KEY"},
    {"404 of HaRP's words in a page", ANSWER(404, HTML, "404: Not Found"), 0, STOP(NOT_HARP),
     "something else answers in HaRP's place (HTTP 404, text/html, 14 bytes)", "/exapps/"},
    {"nothing but white space", ANSWER(401, TEXT, " \n"), 0, STOP(UNAUTHORIZED),
     "something in front of HaRP wants a login, or the shared key is wrong (HTTP 401, text/plain, "
     "2 bytes)",
     "HP_SHARED_KEY"},

    /* what the engine says counts only in whole, and from where HaRP says it */
    {"500 with the words of a 503",
     ANSWER(500, TEXT, "Error removing image 'x:1' via Docker Engine: Status 400"), 0,
     RETRY_TWO_STOP, "HaRP or the proxy in front has trouble (HTTP 500, text/plain, 56 bytes)",
     "proxy"},
    {"503 HTML with the words of a text",
     ANSWER(503, HTML, "Error removing image 'x:1' via Docker Engine: Status 400"), 0,
     RETRY_TWO_STOP, "HaRP or the proxy in front has trouble (HTTP 503, text/html, 56 bytes)",
     "proxy"},
    {"503 with another tail before the status",
     ANSWER(503, TEXT, "Error removing image 'x:1' via another Engine: Status 400"), 0,
     RETRY_TWO_STOP, "HaRP or the proxy in front has trouble (HTTP 503, text/plain, 57 bytes)",
     "proxy"},
    {"503 that broke off behind the status",
     REST(HTTP_CUT, 503, TEXT, "Error removing image 'x:1' via Docker Engine: Status 400"), 0,
     RETRY_TWO_STOP, "the answer broke off: rest", "proxy"},
    {"401 with more behind HaRP's words", ANSWER(401, TEXT, "401 Unauthorized by somebody"), 0,
     STOP(UNAUTHORIZED),
     "something in front of HaRP wants a login, or the shared key is wrong (HTTP 401, text/plain, "
     "28 bytes)",
     "HP_SHARED_KEY"},
    {"401 with less than HaRP's words", ANSWER(401, TEXT, "401"), 0, STOP(UNAUTHORIZED),
     "something in front of HaRP wants a login, or the shared key is wrong (HTTP 401, text/plain, "
     "3 bytes)",
     "HP_SHARED_KEY"},
    {"a type that nobody knows", ANSWER(204, "image/png", "x"), 0, STOP(NOT_HARP),
     "something else answers in HaRP's place (HTTP 204, another content type, 1 bytes)",
     "/exapps/"},

    /* what no row names is nothing of HaRP's, least of all a success */
    {"201 that says deleted", ANSWER(201, JSON, "{\"deleted\": true, \"bytes_freed\": 5000}"), 0,
     STOP(NOT_HARP),
     "something else answers in HaRP's place (HTTP 201, application/json, 38 bytes)", "/exapps/"},
    {"204", ANSWER(204, "", ""), 0, STOP(NOT_HARP),
     "something else answers in HaRP's place (HTTP 204, no content type, 0 bytes)", "/exapps/"},
    {"status 0", ANSWER(0, "", ""), 0, STOP(NOT_HARP),
     "something else answers in HaRP's place (HTTP 0, no content type, 0 bytes)", "/exapps/"},
    {"status 999", ANSWER(999, JSON, "{\"deleted\": true, \"bytes_freed\": 1}"), 0, STOP(NOT_HARP),
     "something else answers in HaRP's place (HTTP 999, application/json, 35 bytes)", "/exapps/"},
};

static void
check(void **state)
{
    const struct verdict_case *one = *state;
    const struct verdict verdict = verdict_of_removal(&one->answer);

    expect_case(one, &verdict);
}

int
main(void)
{
    struct CMUnitTest tests[COUNT];

    fill_tests(tests, cases, COUNT, check);
    return cmocka_run_group_tests_name("image_remove", tests, NULL, NULL);
}
