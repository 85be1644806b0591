/* System V x86-64: rbx, rbp and r12 to r15 survive a call, so these are all that is saved. The
 * control words of SSE and x87 also do, but nothing in gale changes them. */
    .text
    .globl gale_switch
    .hidden gale_switch
    .type gale_switch, @function
gale_switch:
    .cfi_startproc
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .cfi_endproc
    .size gale_switch, . - gale_switch

/* A new stack holds: r15, r14, r13, r12 = function, rbx = argument, rbp = 0, this address. */
    .globl gale_switch_entry
    .hidden gale_switch_entry
    .type gale_switch_entry, @function
gale_switch_entry:
    .cfi_startproc
    .cfi_undefined rip
    movq %rbx, %rdi
    callq *%r12
    ud2
    .cfi_endproc
    .size gale_switch_entry, . - gale_switch_entry
    .section .note.GNU-stack, "", @progbits
