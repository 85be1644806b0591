/* The lease: an entry that expires. Whoever has it leads; who fails to renew it in time stops to
 * act before another can have it. A new leader loads the records of runs that are not over. */
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "fleet/controller_internal.h"
#include "loop/fiber.h"
#include "loop/offload.h"

#define RENEW_NSEC (NSEC_PER_SEC)
/* Less than the bucket's time to live (controller.c). */
#define LEASE_NSEC (6 * NSEC_PER_SEC)

#define LEAD_KEY "leader"

/* --- coming back ---------------------------------------------------------------------------- */

struct recovery {
    struct controller *controller;
    Gale__Fleet__RunRecord *record;
    struct blob_id archive;
    struct prepared *prepared;
    struct delivery *delivery;
    struct diag diag;
    int code;
};

static void recovered(struct controller *c)
{
    c->is_recovered = true;
    for (size_t i = 0; i < c->run_count; i++)
        fleet_run_hold_delivery(c->runs[i], false);
    log_printf(LOG_INFO, "leading the fleet%s",
               c->run_count > 0 ? ": going on with the runs that were there" : "");
    controller_tell(c, &(struct controller_news){.kind = NEWS_LEADING});
}

static void end_recovery(struct recovery *rec)
{
    struct controller *c = rec->controller;

    gale__fleet__run_record__free_unpacked(rec->record, NULL);
    diag_deinit(&rec->diag);
    mem_free(rec);
    if (--c->recovering == 0 && c->leads && !c->is_recovered)
        recovered(c);
}

/* Without them the run still goes on. */
static void open_delivery(struct recovery *rec)
{
    json_t *request = json_loads(rec->record->request, 0, NULL);
    struct diag d = DIAG_INIT;

    if (controller_open_delivery(rec->controller, json_object_get(request, "settings"),
                                 &rec->delivery, &d))
        log_printf(LOG_ERROR, "run %s: its outputs can't be gone on with: %s", rec->record->run,
                   d.message);
    diag_deinit(&d);
    json_decref(request);
}

static void prepare_offloaded(void *arg)
{
    struct recovery *rec = arg;
    const struct preparer *preparer = &rec->controller->config.preparer;
    struct upload upload = {.name = "archive.tar"};

    rec->code = 255;
    if (blob_store_get(rec->controller->blobs, rec->archive.sha256, &upload.input))
        rec->code = preparer->prepare(preparer->arg, &upload, &rec->prepared, &rec->diag);
    if (rec->code == 0)
        open_delivery(rec);
}

static void load_fiber(void *arg)
{
    struct recovery *rec = arg;
    struct controller *c = rec->controller;
    struct fleet_run_config config = controller_run_config(c);
    struct fleet_run *r = NULL;

    offload_run(prepare_offloaded, rec);
    if (rec->code == 0)
        r = fleet_run_load(&config, rec->record, rec->prepared, rec->delivery, &rec->diag);
    if (r && fleet_run_follow(r, &rec->diag) != 0) {
        fleet_run_free(r);
        r = NULL;
    }
    if (r)
        controller_add_run(c, r);
    else
        log_printf(LOG_ERROR, "run %s can't be gone on with: %s", rec->record->run,
                   rec->diag.message ? rec->diag.message : "its script can't be read");
    end_recovery(rec);
}

static void on_archive(void *arg, int err)
{
    struct recovery *rec = arg;

    if (err) {
        log_printf(LOG_ERROR, "run %s can't be gone on with: its archive is not there (%s)",
                   rec->record->run, err_text(err));
        end_recovery(rec);
        return;
    }
    fiber_start(rec->controller->loop, load_fiber, rec);
}

static void recover_run(struct controller *c, const struct bus_entry *e)
{
    struct recovery *rec;
    struct fleet_run *mine;
    Gale__Fleet__RunRecord *record =
        gale__fleet__run_record__unpack(NULL, e->value.len, (const uint8_t *)e->value.ptr);

    if (!record || !record->archive || record->archive->sha256.len != BLOB_HASH ||
        record->phase >= FLEET_OVER) {
        if (record)
            gale__fleet__run_record__free_unpacked(record, NULL);
        return;
    }
    mine = controller_find_run(c, record->run);
    if (mine && mine->revision == e->revision) { /* it was ours all the time */
        mine->is_recorded = true;
        gale__fleet__run_record__free_unpacked(record, NULL);
        return;
    }
    if (mine) /* another controller has led meanwhile */
        controller_forget_run(c, mine);
    rec = mem_zalloc(sizeof *rec);
    rec->controller = c;
    rec->record = record;
    rec->archive.size = record->archive->size;
    memcpy(rec->archive.sha256, record->archive->sha256.data, BLOB_HASH);
    c->recovering++;
    blob_store_bring(c->blobs, &rec->archive, on_archive, rec);
}

/* Runs whose record is gone have been ended by another controller. */
static void forget_unrecorded(struct controller *c)
{
    for (size_t i = c->run_count; i-- > 0;) {
        struct fleet_run *r = c->runs[i];

        if (!r->is_over && !r->is_recorded && r->revision > 0)
            controller_forget_run(c, r);
    }
}

static void on_record(void *arg, int err, const struct bus_entry *e)
{
    struct controller *c = arg;

    if (e) {
        if (e->value.ptr)
            recover_run(c, e);
        return;
    }
    if (err)
        log_printf(LOG_ERROR, "the records of runs can't be read: %s", err_text(err));
    else
        forget_unrecorded(c);
    if (--c->recovering == 0 && c->leads && !c->is_recovered)
        recovered(c);
}

static void recover(struct controller *c)
{
    c->is_recovered = false;
    for (size_t i = 0; i < c->run_count; i++)
        c->runs[i]->is_recorded = false;
    c->recovering++; /* the list itself */
    if (bus_bucket_list(c->bus, RUNS_BUCKET, on_record, c) < 0)
        on_record(c, ERR_NET, NULL);
}

/* --- records -------------------------------------------------------------------------------- */

struct saving {
    struct controller *controller;
    char *run; /* the id; owned */
};

static struct saving *saving_new(struct controller *c, const struct fleet_run *r)
{
    struct saving *s = mem_alloc(sizeof *s);

    *s = (struct saving){c, mem_strdup(r->id)};
    return s;
}

static void on_saved(void *arg, int err, uint64_t revision)
{
    static struct log_limit limit;
    struct saving *s = arg;
    struct fleet_run *r = err ? NULL : controller_find_run(s->controller, s->run);

    if (err && err != ERR_CANCELLED)
        log_limited(&limit, LOG_WARN, "the record of a run could not be stored: %s", err_text(err));
    if (r && revision > r->revision)
        r->revision = revision;
    mem_free(s->run);
    mem_free(s);
}

void controller_save_run(struct controller *c, struct fleet_run *r)
{
    struct saving *saving;
    struct bus_entry entry;
    struct buf record;

    if (!c->leads || (r->is_over && r->is_held))
        return;
    saving = saving_new(c, r);
    if (r->is_over) {
        if (bus_bucket_delete(c->bus, RUNS_BUCKET, str_of(r->id), on_saved, saving) < 0)
            on_saved(saving, ERR_NET, 0);
        return;
    }
    fleet_run_save(r, &record);
    entry = (struct bus_entry){str_of(r->id), buf_str(&record), BUS_ANY_REVISION};
    if (bus_bucket_put(c->bus, RUNS_BUCKET, &entry, on_saved, saving) < 0)
        on_saved(saving, ERR_NET, 0);
    buf_deinit(&record);
}

/* --- the lease ------------------------------------------------------------------------------ */

static void step_down(struct controller *c, const char *why)
{
    if (!c->leads)
        return;
    c->leads = false;
    c->is_recovered = false;
    c->lease = 0;
    for (size_t i = 0; i < c->run_count; i++)
        fleet_run_hold_delivery(c->runs[i], true);
    log_printf(LOG_WARN, "not leading any more: %s", why);
    controller_tell(c, &(struct controller_news){.kind = NEWS_LEADING});
}

static void on_leader(void *arg, int err, const struct bus_entry *e)
{
    struct controller *c = arg;

    if (err || !e || !e->value.ptr || c->leads || !str_eq_c(e->key, LEAD_KEY))
        return;
    mem_free(c->leader_url);
    c->leader_url = e->value.len > 0 ? str_dup(e->value) : NULL;
}

static void on_lease(void *arg, int err, uint64_t revision)
{
    struct controller *c = arg;
    bool led = c->leads;

    c->lease_asked = false;
    if (err == 0) {
        c->lease = revision;
        c->renewed_nsec = clock_now();
        c->leads = true;
        if (!led)
            recover(c);
    } else if (err == ERR_EXISTS && led) {
        step_down(c, "another controller has taken over");
    } else if (err == ERR_EXISTS) {
        if (bus_bucket_list(c->bus, LEAD_BUCKET, on_leader, c) < 0)
            return;
    }
}

void controller_check_lease(struct controller *c)
{
    if (c->leads && clock_now() - c->renewed_nsec > LEASE_NSEC)
        step_down(c, "the lease could not be renewed in time");
}

static void renew(struct timer *timer)
{
    struct controller *c = CONTAINER_OF(timer, struct controller, lease_timer);
    struct bus_entry entry = {STR(LEAD_KEY), str_of(c->url ? c->url : ""), c->lease};

    timer_start(c->loop, timer, clock_now() + RENEW_NSEC);
    controller_check_lease(c);
    if (c->lease_asked)
        return;
    entry.revision = c->lease;
    c->lease_asked = bus_bucket_put(c->bus, LEAD_BUCKET, &entry, on_lease, c) == 0;
}

void controller_lead_start(struct controller *c)
{
    timer_init(&c->lease_timer, renew);
    timer_start(c->loop, &c->lease_timer, clock_now());
}

static void on_given_back(void *arg, int err, uint64_t revision)
{
    (void)arg;
    (void)err;
    (void)revision;
}

void controller_lead_stop(struct controller *c)
{
    if (!c->lease_timer.fire)
        return;
    timer_stop(c->loop, &c->lease_timer);
    if (c->leads && bus_bucket_delete(c->bus, LEAD_BUCKET, STR(LEAD_KEY), on_given_back, NULL) == 0)
        c->leads = false;
}
