/* The HTML report of a run: one file that needs nothing else, a page (web/src/report) that carries
 * the run's data. */
#ifndef API_RUN_REPORT_H
#define API_RUN_REPORT_H

#include <jansson.h>
#include <stddef.h>

#include "base/mem.h"

/* `data` is an Export (run_export.h). Heap; mem_free. */
NEVER_NULL char *run_report_html(const json_t *data);

/* The page without data, with a mark where that goes; built from web/ (tools/web.sh). */
extern const unsigned char report_page[];
extern const size_t report_page_size;

#endif
