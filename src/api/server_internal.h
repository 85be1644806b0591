/* A request on its way. Internal to src/api's server. */
#ifndef API_SERVER_INTERNAL_H
#define API_SERVER_INTERNAL_H

#include <microhttpd.h>

#include "api/server.h"
#include "base/buf.h"
#include "loop/loop.h"

enum { MAX_HEADERS = 16 };

struct api_server {
    struct api_server_config config;
    struct MHD_Daemon *daemon;
    struct io io;       /* the daemon's epoll */
    struct timer timer; /* when the daemon wants to run without an event */
    bool is_running;    /* within MHD_run */
    bool is_due;        /* run again soon */
    bool is_stopping;   /* nobody is waited for any more */
    bool is_draining;   /* whoever runs the loop waits for requests to end */
    int port;
    struct api_request *requests; /* all of them */
};

struct header {
    char *name;
    char *value;
};

struct api_request {
    struct api_server *server;
    struct api_request *next;
    struct api_request **link; /* what points here */
    struct MHD_Connection *connection;
    const char *method;
    const char *path;
    struct buf body;
    bool is_handled; /* the handler was called */
    bool is_suspended;
    bool is_answered;
    struct MHD_Response *response; /* to be queued when the connection runs again */
    unsigned status;
    struct header headers[MAX_HEADERS];
    size_t header_count;
    struct api_stream *stream; /* NULL: none */
    void (*gone)(void *arg);
    void *gone_arg;
    void *data; /* owned */
    size_t max_body;
    size_t passed; /* bytes of the body beyond its limit */
    void (*answered)(void *arg, unsigned status, struct str body, const char *location);
    void *answered_arg;
    struct MHD_Response *held; /* the answer that `answered` was told of */
    unsigned held_status;
};

struct api_stream {
    struct api_request *request; /* NULL: the client has left */
    struct buf waiting;
    size_t max_waiting;
    size_t first_left; /* of what it begins with */
    bool is_ended;
    void (*closed)(void *arg);
    void *arg;
};

/* Lets a suspended connection go on. */
void server_resume(struct api_request *r);
/* The answer: its connection sends it when it runs again. Takes the response. */
void server_give(struct api_request *r, unsigned status, struct MHD_Response *response);
void server_free_request(struct api_request *r);

/* A socket that listens, or a negative error with a message. */
MUST_USE int server_listen(const char *address, struct diag *d);
int server_port_of(int fd);

#endif
