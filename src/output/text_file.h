/* A text file that grows by rows: plain, gzip when its name ends in .gz, or stdout for "-" and "".
 *
 * Rows gather and are written together. When a write fails (a full disk) the rows of it are lost
 * and counted, and the file is cut back to where it ended, so that there is no half row in it; what
 * comes later is tried again. The first failure is said, and so is its end. What is no file (a
 * pipe) can't be cut back: nothing more is written there.
 *
 * Each write of a compressed file is a member of its own (RFC 1952 2.2): what has been written can
 * be read whatever happens afterwards. */
#ifndef OUTPUT_TEXT_FILE_H
#define OUTPUT_TEXT_FILE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"

struct output_voice;
struct text_file;

/* `kind` ("json") is for messages, as is the voice, which is copied. NULL with a message when the
 * file can't be opened. */
struct text_file *text_file_open(const char *kind, struct str path,
                                 const struct output_voice *voice, struct diag *d);
/* Append here, then text_file_end_row; without it what was appended belongs to the next row. */
struct buf *text_file_buf(struct text_file *f);
void text_file_end_row(struct text_file *f);
/* Writes what has gathered. */
void text_file_flush(struct text_file *f);
/* Whether something was lost since this was last asked; *is_empty: and nothing is in the file. What
 * stands before rows (a heading) is to be written again then. */
bool text_file_has_lost(struct text_file *f, bool *is_empty);
/* Writes the rest and frees; an error with a message that counts them when rows were lost. */
int text_file_close(struct text_file *f, struct diag *d);

#endif
