import Glibc

/// What the program calls itself.
package enum Product {
  package static let version = "0.1.0"
  package static let name = "murmur/" + version
}

/// Processors this process may run on.
func cores() -> Int { max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))) }
