/* SPDX-License-Identifier: Apache-2.0 */
/* Our own version; docs and CHANGELOG.md follow it. */
#ifndef MOTE_VMM_VERSION_H
#define MOTE_VMM_VERSION_H

#define MOTE_VERSION "0.30.0"

#endif
