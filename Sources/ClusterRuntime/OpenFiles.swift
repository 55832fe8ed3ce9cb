import Glibc

/// How many files and connections this process may have open.
enum OpenFiles {
  /// Raises the limit as far as the system allows (getrlimit(2)): a coordinator has two connections for each worker, and
  /// the usual soft limit is 1,024.
  static func raiseLimit() {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0, limit.rlim_cur < limit.rlim_max else {
      return
    }
    limit.rlim_cur = limit.rlim_max
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
  }
}
