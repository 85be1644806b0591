/* Work of a VU off the worker's thread, with a promise for its end: long computations.
 *
 * The works of a VU run one after the other, whatever a script starts: a thousand of them cost a
 * fiber and a thread of the pool, and no VU crowds out the others. What waits is bounded; past that
 * the script itself waits, in the call that starts one more.
 *
 * Threads: `run` is called on a thread of the pool (loop/offload.h) and may touch what the work
 * owns only; everything else happens on the VU's fiber. */
#ifndef SCRIPT_VU_WORK_H
#define SCRIPT_VU_WORK_H

#include "script/vu.h"

/* Embedded in what the work needs: copies, nothing of JavaScript's. */
struct vu_work {
    void (*run)(struct vu_work *work);
    /* The value of the promise; JS_EXCEPTION rejects it. May run JavaScript. */
    JSValue (*result)(struct vu_work *work, JSContext *ctx);
    void (*free)(struct vu_work *work); /* the struct with all it owns */
    size_t size;                        /* bytes that it holds, for the bound */

    struct vu_task _task;
    struct vu_promise _promise;
    struct vu_work *_prev; /* of the VU's, in order */
    struct vu_work *_next;
    struct fiber *_fiber; /* while it runs */
    bool _done;
};

/* Takes `work`, with the four fields above set. Its promise (its value, when the script had to wait
 * for it here), or JS_EXCEPTION. */
MUST_USE YIELDS JSValue vu_work_start(JSContext *ctx, struct vu_work *work);

/* The same at once, on this thread, for what takes less time than handing it over (some 50 us). */
MUST_USE JSValue vu_work_here(JSContext *ctx, struct vu_work *work);

#endif
