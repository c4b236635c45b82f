/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folders that only root, or the caller, can change: where jails may be. Whoever could rename or
 * replace a folder on the way would decide where the jailer, as root, makes and gives away files.
 */
#ifndef MOTE_JAILER_PATH_H
#define MOTE_JAILER_PATH_H

#include <stdbool.h>

#include "jailer/parse.h" /* JAIL_PATH_MAX */
#include "vmm/compiler.h"
#include "vmm/err.h"

/*
 * Opens the folder `path`, component by component. Each must belong to root or the caller and not
 * be writable by everybody (unless sticky); so must a symbolic link, which is then followed.
 * Missing folders at its end are made; *made is how many. A descriptor, or -errno with *e set.
 */
int path_open_trusted(const char *path, unsigned int *made, struct err *e) MUST_CHECK;

/*
 * The same without making any: the deepest one that is there is opened, and *missing says whether
 * that is not all of the path.
 */
int path_find_trusted(const char *path, bool *missing, struct err *e) MUST_CHECK;

/*
 * Opens the folder `name` (one component) in `dir` and checks it likewise; `shown` is its path in
 * messages. *made says whether it had to be made.
 */
int path_open_folder(int dir, const char *name, const char *shown, bool *made, struct err *e)
	MUST_CHECK;

#endif
