#include "fleet/prepared.h"

#include "base/mem.h"

void prepared_free(struct prepared *p)
{
    if (!p)
        return;
    scenarios_deinit(&p->scenarios);
    options_deinit(&p->options);
    metric_registry_deinit(&p->metrics);
    json_decref(p->metadata);
    mem_free(p->name);
    mem_free(p->archive);
    mem_free(p->script);
    mem_free(p);
}
