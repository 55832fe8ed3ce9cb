#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The heap of secrets: everything that SecretBytes holds and everything that OpenSSL allocates (keys, key schedules,
// hash states, generators).
//
// It is memory that
// - a core dump leaves out: MADV_DONTDUMP (madvise(2); Linux. Darwin has no such advice: there a core holds it, and only
//   RLIMIT_CORE keeps a core from being written);
// - a forked child does not inherit: MADV_WIPEONFORK (Linux 4.14 and newer). A child that forks and goes on without
//   exec finds zeros, and is ended by name at its first allocation or draw. On other kernels it is ended all the same,
//   but could read what the parent held;
// - is not swapped out, as far as RLIMIT_MEMLOCK allows (mlock2(2)): best effort, `locked_bytes` says how far;
// - is wiped when it is freed, whole blocks, whoever frees it.
//
// A constructor of the program gives it to OpenSSL (CRYPTO_set_mem_functions(3)) before main, hence before the first
// call of OpenSSL in any thread; if that is not possible the program ends. There is no other heap to fall back to: where
// no memory is left, allocation fails.
//
// Why not OpenSSL's secure heap (OPENSSL_secure_malloc(3)): its size is fixed at the start, OpenSSL goes over to the
// ordinary heap without a word when it is full, it holds private keys only (no key schedules, no hash states), and it
// has one lock.

/// `count` bytes, aligned to 16 and not initialised; NULL for none, or if the system has no memory.
void *csecret_allocate(size_t count);
/// Wipes and frees. NULL is nothing.
void csecret_free(void *start);

/// Ends the process, with the reason on standard error, if it is a forked child of the one that the heap belongs to.
void csecret_require_owner(void);
/// Whether OpenSSL allocates here.
bool csecret_is_installed(void);

struct csecret_statistics {
  /// Of the system, in use or not.
  size_t mapped_bytes;
  /// Of these, those that are never swapped out.
  size_t locked_bytes;
  /// Blocks that are allocated now.
  size_t used_blocks;
};
struct csecret_statistics csecret_statistics(void);

/// How many blocks the calling thread has ever allocated here.
uint64_t csecret_thread_allocations(void);

/// Keeps the system from writing core dumps of this process, and other processes of its user from reading its memory,
/// for what lies on the ordinary heap all the same: RLIMIT_CORE becomes 0, soft and hard (setrlimit(2)); on Linux the
/// process is not dumpable any more either (PR_SET_DUMPABLE, prctl(2)), which holds for core dumps that are piped to a
/// program too, for ptrace(2) and for /proc/PID/mem. Programs that this one executes set the second anew. A crash ends
/// the process without a backtrace: those of the Swift runtime print registers, and the memory that they point to.
///
/// 0, or the errno of the call that failed.
int csecret_forbid_core_dumps(void);
