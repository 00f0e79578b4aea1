/* SPDX-License-Identifier: MIT
 *
 * Where the file system of a device is mounted on this machine, now.
 */
#ifndef DEVICES_H
#define DEVICES_H

#include <stdint.h>

/* A clean path, to be freed, or NULL: it is not mounted (any more). dev as in st_dev. */
char *devices_mount(uint64_t dev);

#endif
