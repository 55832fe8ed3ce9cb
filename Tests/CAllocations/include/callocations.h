/// Counts what a thread allocates, by standing in front of the C library's functions in the program that links this.
///
/// Covers Swift and OpenSSL alike, because both end in `malloc`. For tests and benchmarks alone.
#ifndef CALLOCATIONS_H
#define CALLOCATIONS_H

#include <stdint.h>

/// Allocations and reallocations of the calling thread so far.
uint64_t ca_thread_allocations(void);

/// 1 if this build counts; 0 with a sanitizer, which has allocation functions of its own, or another C library.
int ca_is_counting(void);

#endif
