/* What the REST API shows, as JSON:API documents. New references. */
#ifndef CLI_REST_VIEWS_H
#define CLI_REST_VIEWS_H

#include <jansson.h>

struct session;

json_t *rest_status(const struct session *s);
json_t *rest_metrics(const struct session *s);
json_t *rest_metric(const struct session *s, const char *id); /* NULL: there is none */
json_t *rest_groups(const struct session *s);
json_t *rest_group(const struct session *s, const char *id); /* NULL: there is none */
json_t *rest_setup_data(const struct session *s);
json_t *rest_error(unsigned status, const char *title, const char *detail);

#endif
