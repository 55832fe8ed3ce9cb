#include "callocations.h"

#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define CA_SANITIZED 1
#endif
#endif

#if defined(__GLIBC__) && !defined(CA_SANITIZED)

#include <errno.h>
#include <malloc.h>

// The functions of glibc behind the ones replaced here ("Replacing malloc", glibc manual, §3.2.5).
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

static __thread uint64_t allocations;
static __thread int64_t bytes, peak;

static void *made(void *block) {
  allocations++;
  bytes += (int64_t)malloc_usable_size(block);
  if (bytes > peak) peak = bytes;
  return block;
}

void *malloc(size_t count) { return made(__libc_malloc(count)); }

void *calloc(size_t count, size_t size) { return made(__libc_calloc(count, size)); }

void *realloc(void *old, size_t count) {
  const int64_t before = (int64_t)malloc_usable_size(old);
  void *const block = __libc_realloc(old, count);
  if (block || !count) bytes -= before;
  return block ? made(block) : NULL;
}

void *memalign(size_t alignment, size_t count) { return made(__libc_memalign(alignment, count)); }

void *aligned_alloc(size_t alignment, size_t count) { return memalign(alignment, count); }

int posix_memalign(void **out, size_t alignment, size_t count) {
  void *const block = memalign(alignment, count);
  if (!block) return ENOMEM;
  *out = block;
  return 0;
}

void free(void *block) {
  bytes -= (int64_t)malloc_usable_size(block);
  __libc_free(block);
}

uint64_t ca_thread_allocations(void) { return allocations; }
int64_t ca_thread_bytes(void) { return bytes; }
int64_t ca_thread_peak_bytes(void) { return peak; }
void ca_thread_reset_peak(void) { peak = bytes; }
int ca_is_counting(void) { return 1; }

#else

uint64_t ca_thread_allocations(void) { return 0; }
int64_t ca_thread_bytes(void) { return 0; }
int64_t ca_thread_peak_bytes(void) { return 0; }
void ca_thread_reset_peak(void) {}
int ca_is_counting(void) { return 0; }

#endif
