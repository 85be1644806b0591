#include "base/short_id.h"

#include "base/clock.h"
#include "support/test.h"

TEST(short_ids_sort_by_time)
{
    char last[SHORT_ID_SIZE] = "";
    char id[SHORT_ID_SIZE];

    for (int64_t i = 0; i < 100; i++) {
        short_id_new((INT64_C(1700000000000) + i * i * 1000) * NSEC_PER_MSEC, id);
        CHECK_EQ(strlen(id), SHORT_ID_SIZE - 1);
        CHECK_EQ(strspn(id, "0123456789abcdefghjkmnpqrstvwxyz"), SHORT_ID_SIZE - 1);
        CHECK(strcmp(last, id) < 0);
        memcpy(last, id, sizeof last);
    }
}
