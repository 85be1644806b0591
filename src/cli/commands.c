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
