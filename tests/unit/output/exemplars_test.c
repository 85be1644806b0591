#include "output/exemplars.h"

#include <stdio.h>

#include "base/mem.h"
#include "metrics/shard.h"
#include "metrics/window.h"
#include "support/test.h"

struct fixture {
    struct exemplars *e;
    struct shard *shard;
};

static struct fixture begin(void)
{
    return (struct fixture){exemplars_new(),
                            shard_new(&(struct shard_options){.keep_exemplars = true})};
}

static void end(struct fixture *f)
{
    exemplars_free(f->e);
    shard_free(f->shard);
}

/* One request in a window of its own. */
static void take(struct fixture *f, int64_t second, const char *zone, const char *name,
                 int64_t waiting, bool failed)
{
    struct request_record r = {.waiting = waiting, .failed = failed};
    tag_id tags[] = {shard_tag(f->shard, STR("load_zone"), str_of(zone)),
                     shard_tag(f->shard, STR("name"), str_of(name))};
    struct window *w;

    snprintf(r.url, sizeof r.url, "http://%s", name);
    shard_add_request(f->shard, shard_tagset(f->shard, 0, tags, 2), &r);
    w = shard_take_window(f->shard);
    exemplars_take(f->e, w, second);
    window_free(w);
}

static bool lists(const struct fixture *f, int64_t waiting)
{
    size_t count;
    const struct exemplar **list = exemplars_list(f->e, &count);
    bool found = false;

    for (size_t i = 0; i < count; i++) {
        found |= list[i]->request.waiting == waiting;
        CHECK(i == 0 || list[i]->id < list[i - 1]->id);
    }
    mem_free((void *)list);
    return found;
}

TEST(exemplars_of_each_second_and_region)
{
    struct fixture f = begin();
    size_t count;

    for (int i = 0; i < 20; i++) {
        take(&f, i, "us", "a", 100 + i, false);
        take(&f, i, "us", "a", 50, false);
    }
    take(&f, 3, "eu", "a", 7, false);
    take(&f, 3, "us", "a", 8, true);
    for (int i = 0; i < 20; i++)
        CHECK(lists(&f, 100 + i));
    CHECK(lists(&f, 7) && lists(&f, 8) && !lists(&f, 50));
    mem_free((void *)exemplars_list(f.e, &count));
    CHECK_EQ(count, 22); /* those that are kept twice are listed once */
    end(&f);
}

TEST(exemplars_of_a_long_run_stay_few)
{
    struct fixture f = begin();
    size_t count;

    for (int i = 0; i < 5000; i++)
        take(&f, i, "us", "a", i == 17 ? 9000 : 100 + i % 50, false);
    take(&f, -1, "us", "setup", 5, false); /* before the start: by its series alone */
    CHECK(lists(&f, 9000) && lists(&f, 5));
    mem_free((void *)exemplars_list(f.e, &count));
    CHECK(count >= EXEMPLAR_SPANS / 2 && count <= EXEMPLAR_SPANS + 4);
    end(&f);
}

TEST(exemplars_of_many_series_are_the_slowest)
{
    struct fixture f = begin();
    struct buf text = BUF_INIT(SIZE_MAX);
    char name[16];

    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "%d", i);
        take(&f, 0, "us", name, 1 + i, false);
    }
    CHECK(lists(&f, 1000) && lists(&f, 800) && !lists(&f, 100));
    exemplars_text(f.e, STR(""), &text);
    CHECK(str_find_str(buf_str(&text), STR("http://999")) >= 0);
    CHECK(str_find_str(buf_str(&text), STR("http://989")) < 0); /* ten are shown */
    buf_deinit(&text);
    end(&f);
}
