#include "cli/fleet_progress.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/command.h"

enum { PLAIN_SECONDS = 5 };

static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value ? value : "";
}

void fleet_progress_init(struct fleet_progress *p)
{
    *p = (struct fleet_progress){.second = -1, ._shown_second = -1};
}

void fleet_progress_deinit(struct fleet_progress *p)
{
    json_decref(p->run);
    json_decref(p->window);
    json_decref(p->agents);
    mem_free(p->phase);
}

void fleet_progress_banner(const json_t *run, const char *script, const char *address, bool quiet)
{
    struct buf out = BUF_INIT(SIZE_MAX);
    const json_t *regions = json_object_get(run, "regions");
    json_t *region;
    size_t i;

    if (quiet)
        return;
    buf_printf(&out,
               "\n   gale %s\n\n     execution: fleet\n        script: %s\n           run: %s\n"
               "     dashboard: %s/runs/%s\n\n",
               GALE_VERSION, script, text(run, "id"), address, text(run, "id"));
    buf_printf(&out,
               "       regions: %zu, %.0f max VUs, %.0fs max duration (incl. graceful stop):\n",
               json_array_size(regions), number(run, "max_vus"), number(run, "duration_seconds"));
    json_array_foreach((json_t *)(uintptr_t)regions, i, region)
    {
        double agents = number(region, "agents");

        buf_printf(&out, "              * %s: %.4g%%, %.0f VUs on %.0f agent%s%s\n",
                   text(region, "region"), number(region, "share"), number(region, "max_vus"),
                   agents, agents == 1 ? "" : "s",
                   json_is_true(json_object_get(region, "is_emulated")) ? ", emulated distance"
                                                                        : "");
    }
    buf_append_char(&out, '\n');
    print_out(buf_str(&out));
    buf_deinit(&out);
}

static void keep(json_t **at, const json_t *value)
{
    json_decref(*at);
    *at = json_incref((json_t *)(uintptr_t)value);
}

static void set_phase(struct fleet_progress *p, const char *phase)
{
    mem_free(p->phase);
    p->phase = mem_strdup(phase);
}

void fleet_progress_snapshot(struct fleet_progress *p, const json_t *data)
{
    keep(&p->run, json_object_get(data, "run"));
    keep(&p->agents, json_object_get(data, "agents"));
    set_phase(p, text(p->run, "phase"));
}

void fleet_progress_window(struct fleet_progress *p, const json_t *data)
{
    int64_t second = (int64_t)number(data, "t");

    if (second < p->second)
        return; /* late */
    p->second = second;
    keep(&p->window, data);
}

void fleet_progress_phase(struct fleet_progress *p, const json_t *data)
{
    set_phase(p, text(data, "phase"));
}

void fleet_progress_agents(struct fleet_progress *p, const json_t *data)
{
    keep(&p->agents, data);
}

bool fleet_progress_is_due(struct fleet_progress *p, bool terminal)
{
    if (terminal)
        return true;
    if (p->second < 0 || p->second - p->_shown_second < PLAIN_SECONDS)
        return false;
    p->_shown_second = p->second;
    return true;
}

static bool is_saturated(const struct fleet_progress *p, const char *region)
{
    const json_t *items = json_object_get(p->agents, "items");
    json_t *agent;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)items, i, agent)
    {
        if (strcmp(text(agent, "region"), region) == 0 &&
            json_is_true(json_object_get(agent, "is_saturated")))
            return true;
    }
    return false;
}

static bool is_emulated(const struct fleet_progress *p, const char *name)
{
    json_t *region;
    size_t i;

    json_array_foreach(json_object_get(p->run, "regions"), i, region)
    {
        if (strcmp(text(region, "region"), name) == 0)
            return json_is_true(json_object_get(region, "is_emulated"));
    }
    return false;
}

static void put_values(const json_t *v, struct buf *out)
{
    buf_printf(out, "%6.0f VUs %9.1f req/s", number(v, "vus"), number(v, "rps"));
    if (json_is_number(json_object_get(v, "p95")))
        buf_printf(out, "   p(95) %8.2f ms", number(v, "p95"));
    if (json_is_number(json_object_get(v, "failed")))
        buf_printf(out, "   failed %6.2f %%", 100 * number(v, "failed"));
}

void fleet_progress_lines(const struct fleet_progress *p, struct buf *out)
{
    const json_t *regions = json_object_get(p->window, "regions");
    const char *name;
    json_t *values;

    buf_printf(out, "%-10s %5.0fs/%.0fs  ", p->phase ? p->phase : "", (double)(p->second + 1),
               number(p->run, "duration_seconds"));
    if (p->window)
        put_values(json_object_get(p->window, "overall"), out);
    buf_append_char(out, '\n');
    json_object_foreach((json_t *)(uintptr_t)regions, name, values)
    {
        buf_printf(out, "  %-18s ", name);
        put_values(values, out);
        buf_printf(out, "%s%s\n", is_saturated(p, name) ? "   SATURATED" : "",
                   is_emulated(p, name) ? "   (emulated)" : "");
    }
}
