/* gale run --fleet: the test of a `gale run`, on a fleet. */
#ifndef CLI_RUN_FLEET_H
#define CLI_RUN_FLEET_H

struct args;

/* Loads the script, hands it to the controller, follows the run and prints what a local run prints.
 * The exit code is a local run's. */
int run_fleet(const struct args *args);

#endif
