#include "cli/command.h"

const struct command command_table[] = {
    {"run", 'R', true, "SCRIPT", "run a test on this machine",
     "Runs a k6 script: a path, an archive (.tar), or - for standard input. Options come from the\n"
     "config file, the script, K6_ environment variables and flags; the later wins.\n\n"
     "Examples:\n"
     "  gale run script.js\n"
     "  gale run -u 10 -d 30s script.js            10 users for 30 seconds\n"
     "  gale run -s 1m:50 -s 2m:50 -s 1m:0 x.js    ramp to 50 users and back\n"
     "  gale run -e BASE=http://127.0.0.1:8080 -o json=samples.gz script.js\n"
     "  gale run - <script.js\n\n"
     "Exit codes: 0 fine, 99 a threshold was crossed, 104 wrong options, 105 interrupted,\n"
     "107 the script failed outside an iteration, 108 it aborted the test.\n",
     cmd_run},
    {"archive", 'A', true, "SCRIPT", "bundle a script and its files into a tar",
     "Writes the script with every file that it reads, and its options, as `gale run` and k6 can\n"
     "run it elsewhere.\n\nExample:\n  gale archive -O test.tar script.js && gale run test.tar\n",
     cmd_archive},
    {"inspect", 'I', true, "SCRIPT", "print the options of a script",
     "Prints the options as JSON, after config file, environment and flags.\n", cmd_inspect},
    {"controller", 'c', false, "[backup FILE]", "run a fleet's controller",
     "Plans and follows tests on a fleet of agents, and serves the REST API and the dashboard. It\n"
     "starts a nats-server of its own, with its data under --data, unless --nats names one.\n\n"
     "Examples:\n"
     "  gale controller\n"
     "  gale controller --listen 0.0.0.0:6580 --nats-listen 0.0.0.0:4222 --data /var/lib/gale\n"
     "  gale controller --nats tls://nats.example:4222 --nats-credentials gale.creds\n"
     "  gale controller --retain 30d --retain-size 10GB\n"
     "  gale controller backup FILE --data /var/lib/gale    copies its store, while it runs or "
     "not\n",
     cmd_controller},
    {"agent", 'a', false, "", "run one load generator of a fleet",
     "Enlists with the fleet's controller over NATS and runs what it is given. It only dials out:\n"
     "it needs no open port.\n\nExamples:\n"
     "  gale agent --region us-east-1\n"
     "  gale agent --region eu-central-1 --zone a --nats nats://controller.example:4222\n",
     cmd_agent},
    {"fleet", 'f', false, "agents|regions|runs|show|stop|logs|spread|scale",
     "look at a fleet, and steer it",
     "  gale fleet agents            who is there, in which region, doing what\n"
     "  gale fleet regions           the same by region\n"
     "  gale fleet runs              what runs and what has run\n"
     "  gale fleet show RUN          all about a run\n"
     "  gale fleet stop RUN          end it gracefully\n"
     "  gale fleet logs RUN          what its scripts and agents have logged\n"
     "  gale fleet spread RUN REGIONS  spread the load of a running test anew, as in\n"
     "                               us-east-1=60%,eu-central-1=40%/2 or us-east-1/3\n"
     "  gale fleet scale REGION=N    have the controller keep N agents there\n",
     cmd_fleet},
    {"new", 'N', false, "[FILE]", "write a script to start from",
     "Writes a small script that runs (default: script.js).\n", cmd_new},
    {"deps", 'D', true, "SCRIPT", "list what a script imports",
     "Lists the modules that the script imports.\n", cmd_deps},
    {"features", 'F', false, "", "list the feature flags",
     "Lists what --features takes.\n\nExample:\n  gale run --features freeze-env script.js\n",
     cmd_features},
    {"version", 'V', false, "", "print gale's version", "", cmd_version},
    {"completion", 'C', false, "bash|zsh|fish", "print completions for a shell",
     "Prints a script that completes commands and flags.\n\nExamples:\n"
     "  source <(gale completion bash)\n"
     "  gale completion fish >~/.config/fish/completions/gale.fish\n",
     cmd_completion},
};

const size_t command_count = sizeof command_table / sizeof command_table[0];
