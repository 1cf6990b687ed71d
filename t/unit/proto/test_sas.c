#include "proto/sas.h"
#include "unit.h"


static void
hides(const char *text, const char *expected)
{
    char buf[256];
    size_t len = strlen(text);

    memcpy(buf, text, len);
    proto_sas_hide((uint8_t *) buf, len);
    assert_view(view_of(buf, len), expected);
}


static void
hide(void **state)
{
    (void) state;
    hides("", "");
    hides("sig=", "sig=");
    hides("si", "si");
    hides("<V>https://h/c/b?sp=r&amp;sig=aB%2F1+/=&amp;se=1</V>",
          "<V>https://h/c/b?sp=r&amp;sig=XXXXXXXXX&amp;se=1</V>");
    hides("?u=h%3FSIG%3daaa\" sig=bb sig%253Dccc",
          "?u=h%3FSIG%3dXXX\" sig=XX sig%253DXXX");
    hides("x-sig=1", "x-sig=X");
    hides("sign=1 sig", "sign=1 sig");
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hide),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
