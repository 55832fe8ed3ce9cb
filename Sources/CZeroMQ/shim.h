#pragma once
#include <errno.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <zmq.h>

/// A non-blocking event descriptor, to wake a thread out of zmq_poll(3). Swift's Glibc module lacks EFD_*.
static inline int czmq_eventfd(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }

/// pthread_timedjoin_np(3), which headers only show under _GNU_SOURCE; 0 if the thread has ended.
extern int pthread_timedjoin_np(pthread_t thread, void **result, const struct timespec *deadline);
static inline int czmq_thread_join(pthread_t thread, const struct timespec *deadline) {
  return pthread_timedjoin_np(thread, 0, deadline);
}

/// Names the calling thread as debuggers and top(1) show it; prctl(2) is variadic, which Swift cannot call.
static inline void czmq_thread_name(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }
