#ifdef __linux__
#define _GNU_SOURCE  // mlock2(2), MADV_WIPEONFORK.
#endif
#include "csecretmemory.h"
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// Blocks of one size class share a slab: a mapping of 32 KiB, aligned to its size, whose header is found from the address
// of any block. A thread allocates from one of four arenas, so that threads seldom meet at a lock; it frees into
// whichever arena a block came from. What is too large for a class is a mapping of its own.
//
// Waste is bounded: a block is at most half as large again as what was asked for (48 bytes for 33), an arena keeps at
// most one empty slab a class (15 × 32 KiB, of which only touched pages are resident), and at most eight more wait for
// whoever needs one next.
enum {
  slab_bytes = 32768,
  header_bytes = 64,
  block_bytes_max = 4096,
  class_count = 15,
  arena_count = 4,
  spare_slabs_max = 8,
};

static const uint16_t class_bytes[class_count] = {
  32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, block_bytes_max,
};
/// The class of a size, by its number of 16-byte units, rounded up.
static uint8_t class_of_units[block_bytes_max / 16 + 1];

struct arena;
struct slab {
  uint64_t mark;
  struct slab *next, *previous;  // In the arena's list of slabs with room.
  struct arena *arena;           // NULL for a mapping of its own.
  void *freed;                   // Blocks given back, each pointing to the next.
  size_t block_bytes;            // Of a mapping of its own: all that its one block can hold.
  uint16_t class;
  uint16_t used;
  uint16_t touched;  // Blocks from here on were never given out.
  uint16_t blocks;
  bool is_locked;
};
_Static_assert(sizeof(struct slab) <= header_bytes, "the header has its place before the first block");

static const uint64_t slab_mark = 0x5ec3e7b10c51ab00;

struct arena {
  pthread_mutex_t lock;
  struct slab *with_room[class_count];
};
static struct arena arenas[arena_count];

static pthread_mutex_t spare_lock = PTHREAD_MUTEX_INITIALIZER;
static struct slab *spare;
static unsigned spare_count;

static atomic_size_t mapped_bytes, locked_bytes, used_blocks;

/// On a page of its own that is wiped in a forked child like all others: then 0.
static atomic_uint *is_parent;
static bool is_forked(void) { return atomic_load_explicit(is_parent, memory_order_relaxed) == 0; }

__attribute__((noreturn)) static void fail(const char *reason) {
  static const char name[] = "murmur: secret memory: ";
  ssize_t ignored = write(STDERR_FILENO, name, sizeof name - 1);
  ignored = write(STDERR_FILENO, reason, strlen(reason));
  ignored = write(STDERR_FILENO, "\n", 1);
  (void)ignored;
  abort();
}

void csecret_require_owner(void) {
  if (is_forked()) fail("a forked child has no secrets and draws none: it has to call exec first");
}

/// No optimizer removes this: the memory is said to be looked at afterwards.
static void wipe(void *start, size_t count) {
  memset(start, 0, count);
  __asm__ __volatile__("" : : "r"(start) : "memory");
}

// Mappings.

/// A mapping that core dumps and children leave out, and that stays in memory if the system allows; its start is a
/// multiple of `slab_bytes`. NULL if the system has no memory, or cannot leave it out of core dumps.
static struct slab *map(size_t count) {
  const int protection = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_ANONYMOUS;
  char *start = mmap(NULL, count, protection, flags, -1, 0);
  if (start == MAP_FAILED) return NULL;
  if ((uintptr_t)start % slab_bytes != 0) {  // Seldom: the next mapping mostly adjoins the last one.
    munmap(start, count);
    const size_t wide = count + slab_bytes;
    start = mmap(NULL, wide, protection, flags, -1, 0);
    if (start == MAP_FAILED) return NULL;
    const size_t before = (slab_bytes - (uintptr_t)start % slab_bytes) % slab_bytes;
    if (before > 0) munmap(start, before);
    if (slab_bytes > before) munmap(start + before + count, slab_bytes - before);
    start += before;
  }
#ifdef MADV_DONTDUMP
  if (madvise(start, count, MADV_DONTDUMP) != 0) {
    munmap(start, count);
    return NULL;
  }
#endif
#ifdef MADV_WIPEONFORK
  madvise(start, count, MADV_WIPEONFORK);  // Fails before Linux 4.14: see the header.
#endif
  struct slab *slab = (struct slab *)start;
#ifdef MLOCK_ONFAULT
  slab->is_locked = mlock2(start, count, MLOCK_ONFAULT) == 0;  // Pages that nobody touches are not made.
#else
  slab->is_locked = mlock(start, count) == 0;
#endif
  if (slab->is_locked) atomic_fetch_add_explicit(&locked_bytes, count, memory_order_relaxed);
  atomic_fetch_add_explicit(&mapped_bytes, count, memory_order_relaxed);
  return slab;
}

static void unmap(struct slab *slab, size_t count) {
  if (slab->is_locked) atomic_fetch_sub_explicit(&locked_bytes, count, memory_order_relaxed);
  atomic_fetch_sub_explicit(&mapped_bytes, count, memory_order_relaxed);
  munmap(slab, count);
}

static struct slab *take_slab(void) {
  pthread_mutex_lock(&spare_lock);
  struct slab *slab = spare;
  if (slab) {
    spare = slab->next;
    spare_count--;
  }
  pthread_mutex_unlock(&spare_lock);
  return slab ? slab : map(slab_bytes);
}

static void give_slab(struct slab *slab) {
  pthread_mutex_lock(&spare_lock);
  const bool is_kept = spare_count < spare_slabs_max;
  if (is_kept) {
    slab->next = spare;
    spare = slab;
    spare_count++;
  }
  pthread_mutex_unlock(&spare_lock);
  if (!is_kept) unmap(slab, slab_bytes);
}

// Blocks.

static void link_slab(struct arena *arena, struct slab *slab) {
  struct slab **first = &arena->with_room[slab->class];
  slab->previous = NULL;
  slab->next = *first;
  if (*first) (*first)->previous = slab;
  *first = slab;
}

static void unlink_slab(struct arena *arena, struct slab *slab) {
  if (slab->previous) slab->previous->next = slab->next;
  else arena->with_room[slab->class] = slab->next;
  if (slab->next) slab->next->previous = slab->previous;
}

/// The arena of this thread: the arenas go round among threads as these first allocate.
static struct arena *own_arena(void) {
  static atomic_uint threads;
  static _Thread_local struct arena *own;
  if (!own) own = &arenas[atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed) % arena_count];
  return own;
}

static void *allocate_small(uint8_t class) {
  struct arena *arena = own_arena();
  pthread_mutex_lock(&arena->lock);
  struct slab *slab = arena->with_room[class];
  if (!slab) {
    slab = take_slab();
    if (!slab) {
      pthread_mutex_unlock(&arena->lock);
      return NULL;
    }
    slab->mark = slab_mark;
    slab->arena = arena;
    slab->freed = NULL;
    slab->block_bytes = class_bytes[class];
    slab->class = class;
    slab->used = slab->touched = 0;
    slab->blocks = (slab_bytes - header_bytes) / class_bytes[class];
    link_slab(arena, slab);
  }
  void *block = slab->freed;
  if (block) memcpy(&slab->freed, block, sizeof slab->freed);
  else block = (char *)slab + header_bytes + slab->block_bytes * slab->touched++;
  if (++slab->used == slab->blocks) unlink_slab(arena, slab);
  pthread_mutex_unlock(&arena->lock);
  return block;
}

static void free_small(struct slab *slab, void *block) {
  struct arena *arena = slab->arena;
  wipe(block, slab->block_bytes);
  pthread_mutex_lock(&arena->lock);
  memcpy(block, &slab->freed, sizeof slab->freed);
  slab->freed = block;
  if (slab->used-- == slab->blocks) link_slab(arena, slab);
  // One empty slab a class stays, so that a block that comes and goes does not take a mapping along each time.
  const bool is_left_over = slab->used == 0 && (slab->next || slab->previous);
  if (is_left_over) unlink_slab(arena, slab);
  pthread_mutex_unlock(&arena->lock);
  if (is_left_over) give_slab(slab);
}

static struct slab *slab_of(void *block) {
  struct slab *slab = (struct slab *)((uintptr_t)block & ~(uintptr_t)(slab_bytes - 1));
  if (slab->mark != slab_mark) fail("a block that is freed is none of this heap");
  return slab;
}

static _Thread_local uint64_t thread_allocations;

uint64_t csecret_thread_allocations(void) { return thread_allocations; }

void *csecret_allocate(size_t count) {
  thread_allocations++;
  csecret_require_owner();
  if (count == 0) return NULL;
  void *block;
  if (count <= block_bytes_max) {
    block = allocate_small(class_of_units[(count + 15) / 16]);
  } else {
    if (count > SIZE_MAX / 4) return NULL;
    const size_t all = (count + header_bytes + slab_bytes - 1) / slab_bytes * slab_bytes;
    struct slab *slab = map(all);
    if (!slab) return NULL;
    slab->mark = slab_mark;
    slab->arena = NULL;
    slab->block_bytes = all - header_bytes;
    block = (char *)slab + header_bytes;
  }
  if (block) atomic_fetch_add_explicit(&used_blocks, 1, memory_order_relaxed);
  return block;
}

void csecret_free(void *start) {
  // What a child inherits is wiped, headers and all: there is nothing to give back.
  if (!start || is_forked()) return;
  struct slab *slab = slab_of(start);
  atomic_fetch_sub_explicit(&used_blocks, 1, memory_order_relaxed);
  if (slab->arena) {
    free_small(slab, start);
  } else {
    wipe(start, slab->block_bytes);
    unmap(slab, slab->block_bytes + header_bytes);
  }
}

// OpenSSL.

static void *openssl_malloc(size_t count, const char *file, int line) {
  (void)file, (void)line;
  return csecret_allocate(count);
}

static void openssl_free(void *start, const char *file, int line) {
  (void)file, (void)line;
  csecret_free(start);
}

/// The old block stays as it is if there is no memory for a new one, as with realloc(3).
static void *openssl_realloc(void *start, size_t count, const char *file, int line) {
  (void)file, (void)line;
  if (!start) return csecret_allocate(count);
  if (count == 0) {
    csecret_free(start);
    return NULL;
  }
  const size_t room = slab_of(start)->block_bytes;
  if (count <= room && count > room / 2) return start;
  void *moved = csecret_allocate(count);
  if (!moved) return NULL;
  memcpy(moved, start, count < room ? count : room);
  csecret_free(start);
  return moved;
}

bool csecret_is_installed(void) {
  CRYPTO_malloc_fn allocate;
  CRYPTO_realloc_fn reallocate;
  CRYPTO_free_fn release;
  CRYPTO_get_mem_functions(&allocate, &reallocate, &release);
  return allocate == openssl_malloc && reallocate == openssl_realloc && release == openssl_free;
}

// The process.

/// Also where the kernel does not wipe.
static void in_child(void) { atomic_store_explicit(is_parent, 0, memory_order_relaxed); }

__attribute__((constructor)) static void install(void) {
  size_t units = 0;
  for (uint8_t class = 0; class < class_count; class++) {
    for (; units <= class_bytes[class] / 16; units++) class_of_units[units] = class;
  }
  for (int i = 0; i < arena_count; i++) pthread_mutex_init(&arenas[i].lock, NULL);
  struct slab *page = map(slab_bytes);
  if (!page) fail("the system gives no memory that core dumps leave out");
  is_parent = (atomic_uint *)((char *)page + header_bytes);
  atomic_store(is_parent, 1);
  if (pthread_atfork(NULL, NULL, in_child) != 0) fail("pthread_atfork failed");
  if (!CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free)) {
    fail("OpenSSL had allocated elsewhere before the program began");
  }
}

struct csecret_statistics csecret_statistics(void) {
  return (struct csecret_statistics){
    .mapped_bytes = atomic_load_explicit(&mapped_bytes, memory_order_relaxed),
    .locked_bytes = atomic_load_explicit(&locked_bytes, memory_order_relaxed),
    .used_blocks = atomic_load_explicit(&used_blocks, memory_order_relaxed),
  };
}
