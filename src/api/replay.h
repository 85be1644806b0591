/* Idempotency keys: a POST that creates and is sent again gives its first answer again.
 *
 * Answers are in the store for a day, before they are sent: a client that got none, or a controller
 * that was restarted, makes no difference. What a controller was working on when it died is free
 * again. Secrets are not stored: a replay has null in their place. Internal to src/api. */
#ifndef API_REPLAY_H
#define API_REPLAY_H

struct api_call;

/* Handles the call, or answers it as before. The request's data must be the call. */
void replay_handle(struct api_call *call);

#endif
