import Federation
import Glibc
import ModelRegistry

/// A folder that gets the files of one version: whole where there is none yet, otherwise file by file.
///
///     PARENT/.NAME.lock             while somebody writes the folder (DIR/.lock if there is one already)
///     PARENT/.NAME.partial-DIGEST   a download on its way to it (DIR/.partial-DIGEST)
///     PARENT/.NAME.new              the folder before it gets its name
struct PulledFolder {
  let directory: String
  private let prefix: String

  /// - Parameter directory: whose parent is made if there is none.
  init(_ directory: String) throws(PullError) {
    self.directory = directory
    let parent = DurableFile.parent(of: directory)
    try filed { () throws(FileError) in try DurableFile.createDirectory(parent) }
    let name = directory.split(separator: "/").last.map(String.init) ?? "model"
    prefix = DurableFile.exists(directory) ? "\(directory)/." : "\(parent)/.\(name)."
  }

  var lockPath: String { prefix + "lock" }
  func partialPath(_ digest: Digest) -> String { prefix + "partial-\(digest)" }

  /// Writes the files of a version. A new folder appears with all of them in it; in an old one those of another version are
  /// replaced, the weights last.
  ///
  /// - Parameters:
  ///   - weights: path of the version's file, verified.
  ///   - keep: makes a file of bytes elsewhere, to be placed; nil to write them where they belong.
  func write(
    _ version: VerifiedVersion, weights: String, _ placement: FilePlacement,
    keep: ((_ bytes: [UInt8]) throws(PullError) -> (path: String, digest: Digest))? = nil
  ) throws(PullError) {
    guard !DurableFile.exists(directory) else { return try replace(version, weights, placement) }
    let temporary = prefix + "new"
    try filed { () throws(FileError) in
      try DurableFile.remove(temporary)
      try DurableFile.createDirectory(temporary)
    }
    do throws(PullError) {
      for (name, bytes) in version.smallFiles {
        if let kept = try keep?(bytes) {
          try placement.place(kept.path, at: "\(temporary)/\(name)", digest: kept.digest)
        } else {
          try filed { () throws(FileError) in try DurableFile.write(bytes, to: "\(temporary)/\(name)") }
        }
      }
      try placement.place(
        weights, at: "\(temporary)/\(PulledModel.modelName)", digest: version.manifest.file.digest)
      try filed { () throws(FileError) in
        try DurableFile.synchronise(directory: temporary)
        try DurableFile.rename(temporary, to: directory)
      }
    } catch {
      // What was moved there goes with it: it can be fetched again, a folder of a part of a version helps nobody.
      try? DurableFile.remove(temporary)
      throw error
    }
  }

  private func replace(
    _ version: VerifiedVersion, _ weights: String, _ placement: FilePlacement
  ) throws(PullError) {
    try writeSmallFiles(of: version)
    try placement.place(weights, at: "\(directory)/\(PulledModel.modelName)", digest: version.manifest.file.digest)
  }

  /// Brings all files but the weights up to date.
  func writeSmallFiles(of version: VerifiedVersion) throws(PullError) {
    let files = version.smallFiles
    try filed { () throws(FileError) in
      for name in version.absentFiles { try DurableFile.remove("\(directory)/\(name)") }
      for (name, bytes) in files { try DurableFile.write(bytes, to: "\(directory)/\(name)") }
    }
  }

  /// Whether the weights in the folder are the version's already, byte for byte.
  func hasWeights(of manifest: Manifest) -> Bool {
    let path = "\(directory)/\(PulledModel.modelName)"
    guard let bytes = try? DurableFile.read(path, byteCountMax: Int(clamping: manifest.file.byteCount)) else {
      return false
    }
    return (try? manifest.verify(file: bytes)) != nil
  }

  /// Whether the small files in the folder are the version's, and no others.
  func hasSmallFiles(of version: VerifiedVersion) -> Bool {
    let files = version.smallFiles
    let isRight = files.allSatisfy { name, bytes in
      (try? DurableFile.read("\(directory)/\(name)", byteCountMax: bytes.count)) == bytes
    }
    return isRight && version.absentFiles.allSatisfy { !DurableFile.exists("\(directory)/\($0)") }
  }
}
