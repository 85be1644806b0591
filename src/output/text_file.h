/* A text file that grows: plain, gzip when its name ends in .gz, or stdout for "-" and "".
 * Buffered; after a failed write (a full disk) nothing more is written and the error is kept. */
#ifndef OUTPUT_TEXT_FILE_H
#define OUTPUT_TEXT_FILE_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"

struct text_file;

/* NULL with a message when it can't be opened. */
struct text_file *text_file_open(struct str path, struct diag *d);
struct buf *text_file_buf(struct text_file *f); /* append here, then text_file_flush */
void text_file_flush(struct text_file *f, bool all);
/* Writes the rest and frees; an error with a message when anything was lost. */
int text_file_close(struct text_file *f, struct diag *d);

#endif
