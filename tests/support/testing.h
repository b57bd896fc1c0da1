/* cmocka, with the headers that it wants before it. */
#ifndef KCA_TESTS_TESTING_H
#define KCA_TESTS_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
