/* The machine's part of a fiber switch (switch_x86_64.S, switch_aarch64.S). */
#ifndef LOOP_SWITCH_H
#define LOOP_SWITCH_H

/* Saves the callee-saved registers on the present stack and its pointer in *save, then continues
 * with the stack `to` where that was saved. */
void gale_switch(void **save, void *to);

/* Where a new stack begins: calls the function and never returns. */
void gale_switch_entry(void);

#endif
