/* JetStream's API: JSON both ways, as requests on subjects that begin with "$JS.API.". */
#include <errno.h>

#include "base/clock.h"
#include "base/ensure.h"
#include "base/err.h"
#include "base/mem.h"
#include "fleet/bus_internal.h"

enum { MAKE_SEC = 10, REQUEST_MS = 5000 };

/* JetStream's own numbers (nats-server's errors.json), of those that a caller can tell apart. */
static int err_of(long long number)
{
    switch (number) {
    case 10014: /* consumer not found */
    case 10037: /* no message found */
    case 10059: /* stream not found */
        return ERR_NOT_FOUND;
    case 10058: /* stream name already in use with a different configuration */
    case 10071: /* wrong last sequence */
        return ERR_EXISTS;
    case 10002: /* resource limits exceeded for account */
    case 10023: /* insufficient resources */
    case 10028: /* insufficient memory resources available */
    case 10047: /* insufficient storage resources available */
    case 10077: /* the stream's store failed: its limits, or the disk */
        return -ENOSPC;
    case 10039: /* JetStream not enabled for account */
    case 10076: /* JetStream not enabled */
        return ERR_UNSUPPORTED;
    default:
        return -EIO;
    }
}

int bus_api_result(natsMsg *msg, json_t **out, struct diag *d)
{
    size_t len = (size_t)natsMsg_GetDataLength(msg);
    json_t *root = json_loadb(len > 0 ? natsMsg_GetData(msg) : "", len, 0, NULL);
    const json_t *error = json_object_get(root, "error");
    const char *text = json_string_value(json_object_get(error, "description"));
    int err = 0;

    if (!json_is_object(root))
        err = diag_set(d, -EPROTO, "an answer that is no JSON");
    else if (error)
        err = diag_set(d, err_of(json_integer_value(json_object_get(error, "err_code"))), "%s",
                       text ? text : "an error without a description");
    if (err == 0 && out)
        *out = root;
    else
        json_decref(root);
    return err;
}

char *bus_api_text(json_t *root)
{
    char *text = json_dumps(root, JSON_COMPACT);
    char *copy;

    ensure(text);
    copy = mem_strdup(text);
    free(text);
    json_decref(root);
    return copy;
}

/* --- what blocks: streams are made ------------------------------------------------------------ */

struct make_job {
    struct bus_job job;
    char *name;
    char *subject;
    char *text;
};

static int explain(struct make_job *m, natsStatus s, struct diag *d)
{
    if (s == NATS_NO_RESPONDERS)
        return diag_set(d, ERR_UNSUPPORTED,
                        "NATS: the server has no JetStream: start it with jetstream in its "
                        "configuration, or with -js");
    if (s == NATS_TIMEOUT)
        return diag_set(d, ERR_TIMEOUT, "NATS: making the stream %s: no answer within %d s",
                        m->name, REQUEST_MS / 1000);
    return diag_set(d, -EIO, "NATS: making the stream %s: %s", m->name, natsStatus_GetText(s));
}

static void make_stream(struct bus_job *job, natsConnection *nc)
{
    struct make_job *m = CONTAINER_OF(job, struct make_job, job);
    struct diag why = DIAG_INIT;
    natsMsg *reply = NULL;
    natsStatus s = natsConnection_RequestString(&reply, nc, m->subject, m->text, REQUEST_MS);

    if (s != NATS_OK) {
        job->err = explain(m, s, &job->d);
        return;
    }
    job->err = bus_api_result(reply, NULL, &why);
    if (job->err == ERR_EXISTS)
        job->err = 0;
    if (job->err < 0)
        diag_set(&job->d, job->err, "NATS: making the stream %s: %s", m->name, why.message);
    diag_deinit(&why);
    natsMsg_Destroy(reply);
}

static void free_make(struct bus_job *job)
{
    struct make_job *m = CONTAINER_OF(job, struct make_job, job);

    mem_free(m->name);
    mem_free(m->subject);
    mem_free(m->text);
    mem_free(m);
}

int bus_api_make_stream(struct bus *bus, json_t *config, struct diag *d)
{
    struct make_job *m = mem_zalloc(sizeof *m);

    m->job.run = make_stream;
    m->job.free = free_make;
    m->name = mem_strdup(json_string_value(json_object_get(config, "name")));
    m->subject = mem_printf("$JS.API.STREAM.CREATE.%s", m->name);
    m->text = bus_api_text(config);
    return bus_run_job(bus, &m->job, MAKE_SEC * NSEC_PER_SEC, d);
}
