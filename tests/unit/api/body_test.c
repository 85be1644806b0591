#include "api/body.h"

#include <string.h>

#include "base/compiler.h"
#include "base/err.h"
#include "support/test.h"

static const struct body_field fields[] = {
    {.name = "name", .kind = BODY_TEXT, .max = 3, .is_needed = true},
    {.name = "load", .kind = BODY_WORD, .words = "total per-region"},
    {.name = "labels", .kind = BODY_TEXTS, .max = 2, .each = 3},
    {.name = "options", .kind = BODY_OBJECT},
    {.name = "regions", .kind = BODY_LIST, .max = 2},
    {.name = "agents", .kind = BODY_INT, .max = 9},
    {.name = "version", .kind = BODY_ANY},
};

TEST(body_says_where_it_is_wrong)
{
    static const struct {
        const char *body;
        const char *place; /* NULL: it is right */
    } cases[] = {
        {"{\"name\": \"abc\"}", NULL},
        {"{\"name\": \"äöü\", \"load\": \"per-region\", \"labels\": {\"a\": \"b\"}, \"options\": "
         "{\"vus\": 1}, \"regions\": [1], \"agents\": 9, \"version\": [null]}",
         NULL},
        {"{}", "/name"},
        {"{\"name\": \"\"}", "/name"},
        {"{\"name\": \"abcd\"}", "/name"},
        {"{\"name\": 1}", "/name"},
        {"{\"name\": null}", "/name"},
        {"{\"name\": \"a\", \"colour\": 1}", "/colour"},
        {"{\"name\": \"a\", \"load\": \"per\"}", "/load"},
        {"{\"name\": \"a\", \"load\": \"\"}", "/load"},
        {"{\"name\": \"a\", \"load\": 1}", "/load"},
        {"{\"name\": \"a\", \"labels\": {\"a\": 1}}", "/labels"},
        {"{\"name\": \"a\", \"labels\": {\"a\": \"long\"}}", "/labels"},
        {"{\"name\": \"a\", \"labels\": {\"a\": \"\", \"b\": \"\", \"c\": \"\"}}", "/labels"},
        {"{\"name\": \"a\", \"labels\": []}", "/labels"},
        {"{\"name\": \"a\", \"options\": []}", "/options"},
        {"{\"name\": \"a\", \"regions\": []}", "/regions"},
        {"{\"name\": \"a\", \"regions\": [1, 2, 3]}", "/regions"},
        {"{\"name\": \"a\", \"regions\": {}}", "/regions"},
        {"{\"name\": \"a\", \"agents\": 0}", "/agents"},
        {"{\"name\": \"a\", \"agents\": 10}", "/agents"},
        {"{\"name\": \"a\", \"agents\": 1.5}", "/agents"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        json_t *body = json_loads(cases[i].body, 0, NULL);
        struct diag d = DIAG_INIT;
        int err = body_check(body, fields, COUNT_OF(fields), &d);

        CHECK_EQ(err, cases[i].place ? ERR_INVALID : 0);
        if (cases[i].place) {
            CHECK_TEXT(d.file, cases[i].place);
            CHECK(strncmp(d.message, cases[i].place + 1, strlen(cases[i].place) - 1) == 0);
        }
        diag_deinit(&d);
        json_decref(body);
    }
}

TEST(body_text_or_what_it_is_without)
{
    json_t *body = json_loads("{\"a\": \"x\", \"b\": 1}", 0, NULL);

    CHECK_TEXT(body_text(body, "a", "y"), "x");
    CHECK_TEXT(body_text(body, "b", "y"), "y");
    CHECK_TEXT(body_text(body, "c", "y"), "y");
    CHECK(!body_text(NULL, "a", NULL));
    json_decref(body);
}
