/* The C shim of SharedRing: what Swift cannot say itself.
 *
 *   abi/      what a program in another language needs: it compiles as C11 and as C++17
 *     atomics.h  ordered loads, stores and read-modify-writes on plain words
 *     copy.h     the copy of a payload
 *     layout.h   the segment's layout, the one source of truth
 *   system/   system calls, for the Swift library only
 *     linux.h    what Swift's Glibc overlay does not show
 *     waiter.h   the same, for the waiter threads
 *     socket.h   the same, for links
 */
#ifndef SHAREDRING_H
#define SHAREDRING_H

#if !defined(__linux__)
#error "SharedRing needs Linux: futexes, open-file-description locks and memfd have no equivalent elsewhere."
#endif
#if !defined(__x86_64__) && !defined(__aarch64__)
#error "SharedRing supports x86-64 and aarch64 only: its memory orders are tried on these two."
#endif
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "SharedRing's segment is little-endian, and so must the machine be."
#endif

#include "abi/atomics.h"
#include "abi/copy.h"
#include "abi/layout.h"
#include "system/linux.h"
#include "system/socket.h"
#include "system/waiter.h"

#endif
