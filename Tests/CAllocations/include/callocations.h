/// Counts what a thread allocates and holds, by standing in front of the C library's functions in the program that links
/// this.
///
/// Covers Swift and OpenSSL alike, because both end in `malloc`. For tests alone.
#ifndef CALLOCATIONS_H
#define CALLOCATIONS_H

#include <stdint.h>

/// Allocations and reallocations of the calling thread so far.
uint64_t ca_thread_allocations(void);

/// Bytes that the calling thread allocated minus those that it freed, now.
int64_t ca_thread_bytes(void);

/// The largest `ca_thread_bytes` since the last `ca_thread_reset_peak`.
int64_t ca_thread_peak_bytes(void);
void ca_thread_reset_peak(void);

/// 1 if this build counts; 0 with a sanitizer, which has allocation functions of its own, or another C library.
int ca_is_counting(void);

#endif
