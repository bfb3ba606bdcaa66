/*
 * Files that are installed with the program.
 */
#ifndef HARPSWEEP_SHARE_H
#define HARPSWEEP_SHARE_H

/* The path of such a file ("sql/install.sql"): in ../share/harpsweep beside the program's folder,
 * or in the source tree that it was built in; where it is in neither, as it is. mem_free() it. */
char *share_path(const char *file);

#endif
