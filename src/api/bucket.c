#include "api/bucket.h"

#include <math.h>

#include "base/clock.h"

bool bucket_take(struct bucket *b, const struct bucket_limit *limit, int64_t now,
                 unsigned *wait_seconds)
{
    double seconds = (double)(now - b->_at) / (double)NSEC_PER_SEC;

    b->_spent = fmax(0, b->_spent - seconds * limit->per_second);
    b->_at = now;
    if (b->_spent + 1 <= limit->burst) {
        b->_spent += 1;
        return true;
    }
    *wait_seconds = (unsigned)ceil((b->_spent + 1 - limit->burst) / limit->per_second);
    return false;
}
