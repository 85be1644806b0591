#include "script/csv.h"

#include "base/err.h"
#include "support/test.h"

/* How many fields the text has in all, records behind each other; or the error. */
static int fields_of(const char *text, char delimiter, int *records)
{
    struct csv_reader r;
    struct csv_record record;
    int fields = 0;
    int got;

    csv_record_init(&record);
    csv_reader_init(&r, str_of(text), delimiter);
    *records = 0;
    while ((got = csv_next(&r, &record, NULL)) > 0) {
        fields += (int)record.count;
        (*records)++;
    }
    csv_record_deinit(&record);
    return got < 0 ? got : fields;
}

TEST(csv_counts_records_and_fields)
{
    int records;

    CHECK_EQ(fields_of("", ',', &records), 0);
    CHECK_EQ(fields_of("a,b\r\n\r\n\nc,", ',', &records), 4);
    CHECK_EQ(records, 2);
    CHECK_EQ(fields_of("\"a;\n\";\"\"\"\"\n", ';', &records), 2);
    CHECK_EQ(records, 1);
}

TEST(csv_refuses_what_is_not_csv)
{
    int records;

    CHECK_EQ(fields_of("\"a", ',', &records), ERR_SYNTAX);
    CHECK_EQ(fields_of("a\"b", ',', &records), ERR_SYNTAX);
    CHECK_EQ(fields_of("\"a\"b", ',', &records), ERR_SYNTAX);
}
