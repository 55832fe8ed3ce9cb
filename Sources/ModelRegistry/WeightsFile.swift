import Federation
import Tensors

/// A version's safetensors file, read in pieces out of its blobs: nothing but the piece is in memory.
package struct WeightsFile: Sendable {
  private struct Part: Sendable {
    let path: String
    let start: UInt64
    let end: UInt64
  }

  package let digest: Digest
  package let byteCount: UInt64
  private let head: [UInt8]
  /// In the file's order.
  private let parts: [Part]

  /// - Parameters:
  ///   - manifest: verified; its blobs are in the folder.
  ///   - blobs: the folder.
  /// - Throws: `VerificationError.fileSize` if the file of these tensors is not as long as the manifest says.
  package init(_ manifest: Manifest, blobs: String) throws(VerificationError) {
    digest = manifest.file.digest
    byteCount = manifest.file.byteCount
    let places = manifest.tensors.map {
      Safetensors.Place(name: $0.name, dtype: $0.dtype, shape: $0.shape, byteCount: Int($0.byteCount))
    }
    let (bytes, order) = Safetensors.head(of: places, metadata: ["model": "\(manifest.model)@\(manifest.version)"])
    head = bytes
    var parts: [Part] = []
    var start = UInt64(bytes.count)
    for index in order {
      let tensor = manifest.tensors[index]
      parts.append(Part(path: "\(blobs)/\(tensor.digest.hex)", start: start, end: start + tensor.byteCount))
      start += tensor.byteCount
    }
    self.parts = parts
    guard start == byteCount else { throw .fileSize(found: start, expected: byteCount) }
  }

  /// A piece of the file.
  ///
  /// - Parameter range: within the file, at most a few hundred kilobytes.
  /// - Throws: `FileError` for a blob that cannot be read or is shorter than the manifest says.
  package func read(_ range: Range<UInt64>) throws(FileError) -> [UInt8] {
    precondition(range.upperBound <= byteCount, "the range lies in the file")
    var out: [UInt8] = []
    out.reserveCapacity(range.count)
    let headEnd = UInt64(head.count)
    if range.lowerBound < headEnd {
      out += head[Int(range.lowerBound)..<Int(min(headEnd, range.upperBound))]
    }
    for part in parts where part.start < range.upperBound && part.end > range.lowerBound && part.end > part.start {
      let first = max(part.start, range.lowerBound), last = min(part.end, range.upperBound)
      out += try DurableFile.read(part.path, at: first - part.start, count: Int(last - first))
    }
    return out
  }
}
