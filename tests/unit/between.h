/* cmocka 2 has other names for its assert_between(), and cmocka 1 has only that. */
#ifndef HARPSWEEP_TESTS_BETWEEN_H
#define HARPSWEEP_TESTS_BETWEEN_H

#include <inttypes.h>

#define assert_between(value, least, most)                                            \
    do {                                                                              \
        const intmax_t between = (intmax_t)(value);                                   \
                                                                                      \
        if (between < (intmax_t)(least) || between > (intmax_t)(most)) {              \
            fail_msg("%s is %jd, not from %s to %s", #value, between, #least, #most); \
        }                                                                             \
    } while (0)

#endif
