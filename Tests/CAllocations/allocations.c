#include "callocations.h"

#include <errno.h>
#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define CA_SANITIZED 1
#endif
#endif

#if defined(__GLIBC__) && !defined(CA_SANITIZED)

// The functions of glibc behind the ones replaced here ("Replacing malloc", glibc manual §3.2.5).
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static __thread uint64_t allocations;

void *malloc(size_t count) {
  allocations++;
  return __libc_malloc(count);
}

void *calloc(size_t count, size_t size) {
  allocations++;
  return __libc_calloc(count, size);
}

void *realloc(void *old, size_t count) {
  allocations++;
  return __libc_realloc(old, count);
}

void *memalign(size_t alignment, size_t count) {
  allocations++;
  return __libc_memalign(alignment, count);
}

void *aligned_alloc(size_t alignment, size_t count) { return memalign(alignment, count); }

int posix_memalign(void **out, size_t alignment, size_t count) {
  void *const made = memalign(alignment, count);
  if (!made) return ENOMEM;
  *out = made;
  return 0;
}

uint64_t ca_thread_allocations(void) { return allocations; }
int ca_is_counting(void) { return 1; }

#else

uint64_t ca_thread_allocations(void) { return 0; }
int ca_is_counting(void) { return 0; }

#endif
