/* Answers from the store, of what is not in the controller's memory (any more). Handlers of tests
 * and of metrics over time, which are always from there, are in stored_*.c too. Internal to
 * src/api. */
#ifndef API_STORED_H
#define API_STORED_H

struct api_call;

/* Answers with a text that was made when the run ended: the one that its format names ("text",
 * "regions", "summary", "machine", "custom"). */
void stored_text(struct api_call *call);

/* A stream of a run that is not in memory: what there is of it, and its end. */
void stored_follow(struct api_call *call);

/* Summary, from the store. */
void stored_summary(struct api_call *call);

/* A run as a file, whether it is in the controller's memory or not: both are in the store. */
void stored_export(struct api_call *call);

#endif
