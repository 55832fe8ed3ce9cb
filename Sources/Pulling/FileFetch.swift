import Federation
import ModelRegistry

/// Brings one file from several sources, in their order: where one fails, the next goes on from the byte that is missing.
///
/// Nothing vouches for a byte but the digest over all. Where it is wrong and one source gave all of the file, that source
/// is not asked again; where bytes of several came together, or were left by an earlier download, the source in hand gives
/// all of it once more.
struct FileFetch {
  /// How often all sources are asked, while that brings bytes.
  static let passesMax = 16

  let manifest: Manifest
  /// Of the manifest.
  let digest: Digest
  let sources: [any PullSource]

  /// - Parameter progress: bytes that are there; called once before the first comes, and after each piece.
  /// - Throws: `PullError`. The bytes that came stay in the file, unless their digest is wrong.
  func run(into file: PartialFile, progress: @escaping (UInt64) -> Void) async throws(PullError) {
    var state = State(file: file, progress: progress)
    try trim(file)
    progress(file.byteCount)
    for _ in 0..<Self.passesMax {
      let before = file.byteCount
      for index in sources.indices where !state.liars.contains(index) {
        do throws(PullError) {
          if try await isComplete(from: index, &state) { return }
        } catch {
          guard error.isOfSource else { throw error }
          state.failures.note(error, at: sources[index].place)
          if error.kind == .verificationFailed { state.liars.insert(index) }
        }
      }
      guard file.byteCount > before, state.liars.count < sources.count else { break }
    }
    throw state.failures.error
  }

  private struct State {
    let file: PartialFile
    let progress: (UInt64) -> Void
    var failures = SourceFailures()
    /// Sources that gave wrong bytes.
    var liars: Set<Int> = []
    /// Who gave the bytes that are there; nil stands for an earlier download.
    var authors: Set<Int?>

    init(file: PartialFile, progress: @escaping (UInt64) -> Void) {
      self.file = file
      self.progress = progress
      authors = file.byteCount > 0 ? [nil] : []
    }
  }

  private var expected: Manifest.File { manifest.file }

  /// What is longer than the file is no part of it.
  private func trim(_ file: PartialFile) throws(PullError) {
    guard file.byteCount > expected.byteCount else { return }
    try filed { () throws(FileError) in try file.cut(to: 0) }
  }

  /// Takes what is missing from one source, and judges the whole.
  private func isComplete(from index: Int, _ state: inout State) async throws(PullError) -> Bool {
    try await fetchRest(from: index, &state)
    if try isRight(state.file) { return true }
    let isAlone = state.authors == [index]
    try forget(&state)
    if !isAlone {
      try await fetchRest(from: index, &state)
      if try isRight(state.file) { return true }
      try forget(&state)
    }
    throw PullError(
      .verificationFailed,
      "\(sources[index].place): found bytes of another digest, expected those of \(expected.digest)")
  }

  private func fetchRest(from index: Int, _ state: inout State) async throws(PullError) {
    let file = state.file
    let progress = state.progress
    guard file.byteCount < expected.byteCount else { return }
    let end = expected.byteCount
    var hasWritten = false
    defer { if hasWritten { state.authors.insert(index) } }
    try await sources[index].fetch(manifest, digest: digest, from: file.byteCount) {
      bytes, offset throws(PullError) in
      guard offset <= file.byteCount, UInt64(bytes.count) <= end - offset else {
        throw PullError(
          .verificationFailed, "found bytes at \(offset), expected those from \(file.byteCount) to \(end)")
      }
      hasWritten = true
      try filed { () throws(FileError) in try file.write(bytes, at: offset) }
      progress(file.byteCount)
    }
    guard file.byteCount == end else {
      throw PullError(.network, "found an end after \(file.byteCount) bytes, expected \(end)")
    }
  }

  private func isRight(_ file: PartialFile) throws(PullError) -> Bool {
    try filed { () throws(FileError) in try file.digest() == expected.digest }
  }

  private func forget(_ state: inout State) throws(PullError) {
    try filed { () throws(FileError) in try state.file.cut(to: 0) }
    state.authors = []
  }
}
