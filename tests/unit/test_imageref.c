/* The grammar of image references, and what must not pass for one. */
#include "imageref.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define HEX16 "0123456789abcdef"
#define HEX64 HEX16 HEX16 HEX16 HEX16
#define A10 "aaaaaaaaaa"
#define A100 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10

struct example {
    const char *text;
    enum imageref_kind kind;
};

static void
check(const struct example *examples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (imageref_kind(examples[i].text) != examples[i].kind) {
            fail_msg("\"%s\": expected %d, got %d", examples[i].text, (int)examples[i].kind,
                     (int)imageref_kind(examples[i].text));
        }
    }
}

#define CHECK(examples) check((examples), sizeof(examples) / sizeof(examples)[0])

static void
names(void **state)
{
    static const struct example examples[] = {
        {"a", IMAGEREF_NAME},
        {"nginx", IMAGEREF_NAME},
        {"nginx:latest", IMAGEREF_NAME},
        {"low/app:ABC", IMAGEREF_NAME},
        {"low/app:_x.Y-z", IMAGEREF_NAME},
        {"ghcr.io/nextcloud/demo:1", IMAGEREF_NAME},
        {"GHCR.io/nextcloud/demo:1", IMAGEREF_NAME},
        {"localhost:5000/x:1", IMAGEREF_NAME},
        {"HOST1--A.example:5000/x:1", IMAGEREF_NAME},
        {"localhost:5000", IMAGEREF_NAME},
        {"my-registry.example:443/a/b/c/d", IMAGEREF_NAME},
        {"a--b/c__d/e.f/g-----h/1_2", IMAGEREF_NAME},
        {"xn--n3h.example/x", IMAGEREF_NAME},
        {"json", IMAGEREF_NAME},
    };

    (void)state;
    CHECK(examples);
}

static void
digests(void **state)
{
    static const struct example examples[] = {
        {"ghcr.io/nextcloud/demo@sha256:" HEX64, IMAGEREF_DIGEST},
        {"ghcr.io/nextcloud/demo:1.2@sha256:" HEX64, IMAGEREF_DIGEST},
        {"a@sha512:" HEX64 HEX64, IMAGEREF_DIGEST},
        {"a@sha384:" HEX64 HEX16 HEX16, IMAGEREF_DIGEST},
        {"a@sha256:abc", IMAGEREF_INVALID},
        {"a@sha999:" HEX64, IMAGEREF_INVALID},
        {"a@sha256:" HEX64 "0", IMAGEREF_INVALID},
        {"a@sha256:" HEX16 HEX16 HEX16 "0123456789ABCDEF", IMAGEREF_INVALID},
        {"a@", IMAGEREF_INVALID},
        {"@sha256:" HEX64, IMAGEREF_INVALID},
        {"a@sha256:" HEX64 "@sha256:" HEX64, IMAGEREF_INVALID},
    };

    (void)state;
    CHECK(examples);
}

static void
ids(void **state)
{
    static const struct example examples[] = {
        {"sha256:" HEX64, IMAGEREF_ID},
        {HEX64, IMAGEREF_ID},
        {"sha256:" HEX64 "0", IMAGEREF_INVALID},
        {"sha256:" HEX16 HEX16 HEX16 "0123456789abcdeg", IMAGEREF_INVALID},
        {HEX16 HEX16 HEX16 "0123456789abcdeg", IMAGEREF_NAME},
        {"sha256:" HEX16, IMAGEREF_INVALID}, /* Docker takes it for the beginning of an ID */
        {"sha256:latest", IMAGEREF_INVALID},
        {"0123456789ab", IMAGEREF_NAME}, /* a short ID can't be told from a name */
        {HEX16 HEX16 HEX16 "0123456789ABCDEF", IMAGEREF_INVALID},
    };

    (void)state;
    CHECK(examples);
    assert_true(imageref_is_id("sha256:" HEX64));
    assert_false(imageref_is_id(HEX64));
    assert_false(imageref_is_id("sha256:" HEX16));
    assert_false(imageref_is_id("sha512:" HEX64 HEX64));
    assert_false(imageref_is_id(""));
}

static void
what_is_no_reference(void **state)
{
    static const char *const texts[] = {
        "",
        "Foo:1",
        "Foo/Bar:1",
        "ghcr.io/NextCloud/demo:1",
        "low/app :1",
        " low/app:1",
        "low/app:1 ",
        "low/app:1\n",
        "caf\xc3\xa9/app:1",
        "low%2Fapp:1",
        "low+app:1",
        "low/app:1?force=1",
        "low/app:1#x",
        "low\\app:1",
        "low\"app",
        "low/app:",
        ":",
        "/",
        "/low/app:1",
        "low/app/",
        "low//app",
        ".",
        "..",
        "a/../low/app:1",
        "a/..",
        "../a",
        "a/./b",
        "https://ghcr.io/nextcloud/demo:1",
        "a:b:c",
        "a:-b",
        "a:.b",
        "-a",
        "a-",
        "a.",
        "a..b",
        "a___b",
        "a._b",
        "_a",
        "host:/x",
        "host:80a/x",
        "-host.example/x",
        ".host/x",
        "host-./x",
        "HOST./x",
        "HOST-/x",
        "HOST-.A/x",
        "HOST..A/x",
        "[::1]:5000/x",
        "user@host/x",
        "a\001b",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (imageref_kind(texts[i]) != IMAGEREF_INVALID) {
            fail_msg("\"%s\" passed", texts[i]);
        }
    }
}

static void
limits(void **state)
{
    static const struct example examples[] = {
        {"low/app:" A100 A10 A10 "aaaaaaaa", IMAGEREF_NAME},
        {"low/app:" A100 A10 A10 "aaaaaaaaa", IMAGEREF_INVALID},
        {"l/" A100 A100 A10 A10 A10 A10 A10 "aaa:1", IMAGEREF_NAME},
        {"l/" A100 A100 A10 A10 A10 A10 A10 "aaaa:1", IMAGEREF_INVALID},
        {A100 A100 A100 A100 A100 A100, IMAGEREF_INVALID},
        /* Each of the parts may be as long as that, but not all of them: 512 are the most. */
        {A100 A100 A10 A10 A10 A10 A10 "aaaaa:" A100 A10 A10 "@sha512:" HEX64 HEX64,
         IMAGEREF_DIGEST},
        {A100 A100 A10 A10 A10 A10 A10 "aaaaa:" A100 A10 A10 "a@sha512:" HEX64 HEX64,
         IMAGEREF_INVALID},
    };

    (void)state;
    CHECK(examples);
}

/* Every character that a valid reference may hold stands for itself in the path of a URL. */
static void
a_valid_reference_needs_no_escapes(void **state)
{
    (void)state;
    for (int c = 1; c < 256; c++) {
        char middle[] = {'a', (char)c, 'b', '\0'};
        char tag[] = {'a', ':', 'b', (char)c, 'b', '\0'};

        if (imageref_kind(middle) != IMAGEREF_INVALID || imageref_kind(tag) != IMAGEREF_INVALID) {
            assert_non_null(strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                   "._-:/",
                                   c));
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),  cmocka_unit_test(digests),
        cmocka_unit_test(ids),    cmocka_unit_test(what_is_no_reference),
        cmocka_unit_test(limits), cmocka_unit_test(a_valid_reference_needs_no_escapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
