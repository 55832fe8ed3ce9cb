import Cryptography
import Dispatch
import Federation
import SecureAggregation
import Synchronization
import Tensors

/// What is wrong with a file of tensors.
package enum TensorCheckFault: Error {
  case file(FileError)
  case wrong(VerificationError)
}

/// Whether the tensors of a safetensors file are those that a manifest states, with nothing of them in memory but a piece.
///
/// Size and digest of the file have been checked before.
package struct TensorCheck {
  private let manifest: Manifest
  private let path: String

  private static let pieceBytes = 1 << 20

  package init(_ manifest: Manifest, path: String) {
    self.manifest = manifest
    self.path = path
  }

  /// Reads the file twice at once: for the digest of every tensor, and for that of the model.
  package func run() throws(TensorCheckFault) {
    let places = try places()
    let faults = Mutex<[Int: TensorCheckFault]>([:])
    DispatchQueue.concurrentPerform(iterations: 2) { part in
      do throws(TensorCheckFault) {
        if part == 0 { try checkTensors(places) } else { try checkModel(places) }
      } catch {
        faults.withLock { $0[part] = error }
      }
    }
    let found = faults.withLock { $0 }
    if let fault = found[0] ?? found[1] { throw fault }
  }

  /// The manifest's tensors and where they are, in the order of their names' UTF-8 bytes.
  private func places() throws(TensorCheckFault) -> [(tensor: Manifest.Tensor, range: Range<Int>)] {
    let entries = try entries()
    let pairs: [(tensor: Manifest.Tensor, found: SafetensorsPlace)]
    do throws(VerificationError) {
      pairs = try manifest.paired(with: entries) { ($0.name, $0.dtype, $0.shape) }
    } catch {
      throw .wrong(error)
    }
    return pairs.map { ($0.tensor, $0.found.range) }
      .sorted { $0.tensor.name.utf8.lexicographicallyPrecedes($1.tensor.name.utf8) }
  }

  private func entries() throws(TensorCheckFault) -> [SafetensorsPlace] {
    let byteCount = Int(manifest.file.byteCount)
    let first = try bytes(in: 0..<min(8, byteCount))
    let headerByteCount = try parsed { () throws(SafetensorsError) in
      try Safetensors.headerByteCount(first, fileByteCount: byteCount)
    }
    let header = try bytes(in: 8..<8 + headerByteCount)
    return try parsed { () throws(SafetensorsError) in
      try Safetensors.index(header: header, fileByteCount: byteCount).entries
    }
  }

  private func parsed<R>(_ parse: () throws(SafetensorsError) -> R) throws(TensorCheckFault) -> R {
    do throws(SafetensorsError) {
      return try parse()
    } catch {
      throw .wrong(.notSafetensors(error))
    }
  }

  private func bytes(in range: Range<Int>) throws(TensorCheckFault) -> [UInt8] {
    do throws(FileError) {
      return try DurableFile.read(path, at: UInt64(range.lowerBound), count: range.count)
    } catch {
      throw .file(error)
    }
  }

  private func pieces(of range: Range<Int>, _ body: (UnsafeRawBufferPointer) -> Void) throws(TensorCheckFault) {
    do throws(FileError) {
      try DurableFile.read(path, in: range, pieceBytes: Self.pieceBytes, body)
    } catch {
      throw .file(error)
    }
  }

  private func checkTensors(_ places: [(tensor: Manifest.Tensor, range: Range<Int>)]) throws(TensorCheckFault) {
    for (tensor, range) in places {
      var hash = SHA256()
      try pieces(of: range) { hash.update($0) }
      let found = Digest(unchecked: hash.finalize())
      guard found == tensor.digest else {
        throw .wrong(.tensorDigest(tensor.name, found: found, expected: tensor.digest))
      }
    }
  }

  private func checkModel(_ places: [(tensor: Manifest.Tensor, range: Range<Int>)]) throws(TensorCheckFault) {
    var digest = IncrementalModelDigest()
    for (tensor, range) in places {
      digest.begin(tensor.name, dtypeCode: tensor.dtype.code, dims: tensor.shape)
      try pieces(of: range) { digest.update($0) }
    }
    let found = digest.finalize()
    guard found == manifest.modelDigest else {
      throw .wrong(.modelDigest(found: found, expected: manifest.modelDigest))
    }
  }
}
