#ifndef UNIT_H
#define UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/view.h"

/* What every unit test includes: cmocka, and views compared as text. */

static inline void
unit_assert_view(view_t v, const char *text, const char *file, int line)
{
    if (text == NULL) {
        if (v.ptr != NULL) {
            print_error("\"%.*s\" is there\n", (int) v.len,
                        (const char *) v.ptr);
            _fail(file, line);
        }

    } else if (v.ptr == NULL || !view_eq(v, view_str(text))) {
        print_error("\"%.*s\"%s, not \"%s\"\n", (int) v.len,
                    v.ptr == NULL ? "" : (const char *) v.ptr,
                    v.ptr == NULL ? " (absent)" : "", text);
        _fail(file, line);
    }
}

/* `text` NULL: the view has to be absent. */
#define assert_view(v, text) unit_assert_view(v, text, __FILE__, __LINE__)

#endif
