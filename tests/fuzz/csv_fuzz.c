/* layer: script
 *
 * CSV: every field lies inside its record, and each record uses up some of the text. */
#include <stdint.h>

#include "base/ensure.h"
#include "script/csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct csv_reader r;
    struct csv_record record;
    const char *before;

    csv_record_init(&record);
    csv_reader_init(&r, str_from((const char *)data, size), ',');
    for (before = r.at; csv_next(&r, &record, NULL) > 0; before = r.at) {
        size_t len = 0;

        ensure(r.at > before && r.at <= r.end && record.count > 0);
        for (size_t i = 0; i < record.count; i++)
            len += csv_field(&record, i).len;
        ensure(len == record.text.len);
    }
    csv_record_deinit(&record);
    return 0;
}
