import Federation
import Glibc
import ModelRegistry

/// A folder of versions for a system that reads the newest one all the time.
///
///     DIR/VERSION/…    the files of a version, whole
///     DIR/current      a symbolic link to the version that is in force, moved at once (rename(2))
///
/// Who opens `current/model.safetensors` gets all of one version; who opens several files resolves the link once.
package struct FollowFolder: Sendable {
  package static let currentName = "current"
  package static let keepMax = 10_000

  package let directory: String
  /// Version folders that stay, besides the one in force.
  private let keep: Int

  /// - Parameter keep: 1 to `keepMax`.
  package init(_ directory: String, keep: Int) {
    precondition((1...Self.keepMax).contains(keep), "at least the version in force is kept")
    self.directory = directory
    self.keep = keep
  }

  package func path(of version: ModelVersion) -> String { "\(directory)/\(version)" }

  /// The version that `current` points to; nil for none.
  package var current: ModelVersion? {
    var buffer = [CChar](repeating: 0, count: 64)
    let count = readlink("\(directory)/\(Self.currentName)", &buffer, buffer.count)
    guard count > 0, count < buffer.count else { return nil }
    return UInt64(String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self))
      .map { ModelVersion($0) }
  }

  /// Lets `current` point to a version whose folder is there, and removes the oldest folders that are too many.
  ///
  /// - Returns: the versions whose folders were removed, oldest first.
  @discardableResult
  package func moveCurrent(to version: ModelVersion) throws(PullError) -> [ModelVersion] {
    let link = "\(directory)/\(Self.currentName)"
    let temporary = "\(directory)/.\(Self.currentName)-\(getpid())"
    unlink(temporary)
    guard symlink("\(version)", temporary) == 0 else {
      throw PullError(FileError(operation: .create, path: temporary, code: errno))
    }
    do throws(FileError) {
      try DurableFile.rename(temporary, to: link)
    } catch {
      unlink(temporary)
      throw PullError(error)
    }
    return try prune(except: version)
  }

  private func prune(except current: ModelVersion) throws(PullError) -> [ModelVersion] {
    try filed { () throws(FileError) in
      let names = try DurableFile.names(in: directory)
      let versions = names.compactMap { name in
        UInt64(name).flatMap { "\($0)" == name ? ModelVersion($0) : nil }
      }.sorted()
      let removed = versions.filter { $0 != current }.dropLast(keep - 1)
      for version in removed { try DurableFile.remove(path(of: version)) }
      // What was on its way when the alias moved on, or the process ended.
      for name in names where name.hasPrefix(".") && !name.hasSuffix(".lock") {
        try DurableFile.remove("\(directory)/\(name)")
      }
      return Array(removed)
    }
  }
}
