import Glibc
import Testing

@testable import ZeroMQ

/// A new folder that goes away with its last reference.
final class TemporaryFolder {
  let path: String

  init() throws {
    var template = Array("/tmp/murmuration-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw ZeroMQError(.poll, code: errno) }
    path = String(decoding: template.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit {
    if let folder = opendir(path) {
      while let entry = readdir(folder) {
        let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        if name != ".", name != ".." { unlink("\(path)/\(name)") }
      }
      closedir(folder)
    }
    rmdir(path)
  }

  func names() -> [String] {
    guard let folder = opendir(path) else { return [] }
    defer { closedir(folder) }
    var names: [String] = []
    while let entry = readdir(folder) {
      names.append(
        withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) })
    }
    return names.filter { $0 != "." && $0 != ".." }.sorted()
  }

  func write(_ text: String, to name: String, mode: mode_t = 0o600) -> String {
    let file = "\(path)/\(name)"
    let descriptor = open(file, O_WRONLY | O_CREAT | O_TRUNC, mode)
    #expect(Glibc.write(descriptor, text, text.utf8.count) == text.utf8.count)
    #expect(fchmod(descriptor, mode) == 0)
    close(descriptor)
    return file
  }
}

@Suite("CURVE certificate files")
struct CurveCertificateTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func mode(of path: String) -> mode_t {
    var status = stat()
    return stat(path, &status) == 0 ? status.st_mode & 0o7777 : 0
  }

  @Test("A written pair comes back from both files, which have the modes 0644 and 0600 whatever the umask says")
  func roundTrip() throws {
    let pair = try CurveKeyPair.generate()
    let path = folder.path + "/worker-1"
    let metadata = [
      CurveCertificate.Metadatum(name: "name", value: "worker-1"), .init(name: "note", value: "it's # fine"),
    ]
    try CurveCertificate(pair, metadata: metadata).write(to: path)

    #expect(folder.names() == ["worker-1", "worker-1_secret"])
    #expect(mode(of: path) == 0o644)
    #expect(mode(of: path + "_secret") == 0o600)
    let publicPart = try CurveCertificate(readingFrom: path)
    #expect(publicPart.publicKey == pair.publicKey)
    #expect(publicPart.keyPair == nil)
    #expect(publicPart.metadata == metadata)
    let secretPart = try CurveCertificate(readingFrom: CurveCertificate.secretPath(beside: path))
    #expect(secretPart.keyPair?.secretKey.z85() == pair.secretKey.z85())
    #expect(secretPart.publicKey == pair.publicKey)
    #expect(secretPart.metadata == metadata)
  }

  @Test("Existing files are kept unless they are to be replaced, and nothing half-written is left")
  func keepsExisting() throws {
    let path = folder.path + "/key"
    let first = try CurveCertificate(.generate())
    let second = try CurveCertificate(.generate())
    try first.write(to: path)
    #expect(throws: CurveCertificateError.alreadyExists(file: path + "_secret")) { try second.write(to: path) }
    #expect(try CurveCertificate(readingFrom: path).publicKey == first.publicKey)
    try second.write(to: path, replacing: true)
    #expect(try CurveCertificate(readingFrom: path + "_secret").publicKey == second.publicKey)
    unlink(path + "_secret")
    #expect(throws: CurveCertificateError.alreadyExists(file: path)) { try first.write(to: path) }
    #expect(folder.names() == ["key"])
  }

  @Test("Files as czmq and pyzmq write them are read")
  func readsOthers() throws {
    let czmq = folder.write(
      """
      #   ****  Generated on 2026-11-22 12:00:00 by CZMQ  ****
      #   ZeroMQ CURVE Public Certificate

      metadata
          name = "Simon"  # quoted
          organisation=murmur  # not quoted
          empty =
      curve
          public-key = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
      """, to: "czmq", mode: 0o644)
    let certificate = try CurveCertificate(readingFrom: czmq)
    #expect(certificate.publicKey.z85 == "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID")
    #expect(
      certificate.metadata == [
        .init(name: "name", value: "Simon"), .init(name: "organisation", value: "murmur"),
        .init(name: "empty", value: ""),
      ])
    let pyzmq = folder.write(
      "metadata\ncurve\n    public-key = \"Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID\"\n"
        + "    secret-key = \"D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs\"\n", to: "pyzmq.key_secret")
    #expect(try CurveCertificate(readingFrom: pyzmq).keyPair?.publicKey == certificate.publicKey)
  }

  static let publicLine = "    public-key = \"Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID\"\n"

  @Test(
    "A malformed file is refused with its name and line",
    arguments: [
      ("    public-key = \"x\"\n", 1, "public-key stands outside of a section"),
      ("curve\n    public-key = \"Yne@\n", 2, "the value of public-key is not closed"),
      ("curve\n    public-key = \"Yne@\"\n", 2, "public-key is not 40 characters of Z85"),
      ("curve\n    public-key \"x\"\n", 2, "expected = after public-key"),
      ("curve!\n", 1, "unexpected text after section curve"),
      ("\n\n}{\n", 3, "expected a name, found }"),
      ("curve\n" + publicLine + publicLine, 3, "public-key appears twice in curve"),
      ("curve\n" + publicLine + "    secret-key = \"short\"\n", 3, "secret-key is not 40 characters of Z85"),
    ])
  func malformed(text: String, line: Int, reason: String) {
    let file = folder.write(text, to: "bad")
    #expect(throws: CurveCertificateError.malformed(file: file, line: line, reason: reason)) {
      try CurveCertificate(readingFrom: file)
    }
    #expect(
      "\(CurveCertificateError.malformed(file: file, line: line, reason: reason))" == "\(file):\(line): \(reason)")
  }

  @Test("Files without a key, with keys that disagree, exposed, endless or missing ones are refused")
  func refuses() throws {
    let empty = folder.write("", to: "empty")
    #expect(throws: CurveCertificateError.missingKey(file: empty, key: "public-key")) {
      try CurveCertificate(readingFrom: empty)
    }
    let other = try CurveKeyPair.generate()
    let mixed = folder.write("curve\n\(Self.publicLine)    secret-key = \"\(other.secretKey.z85())\"\n", to: "mixed")
    #expect(throws: CurveCertificateError.keysDisagree(file: mixed)) { try CurveCertificate(readingFrom: mixed) }
    let exposed = folder.write("curve\n    secret-key = \"\(other.secretKey.z85())\"\n", to: "exposed", mode: 0o640)
    #expect(throws: CurveCertificateError.exposedSecret(file: exposed, mode: 0o640)) {
      try CurveCertificate(readingFrom: exposed)
    }
    let long = folder.write(String(repeating: "#", count: 65_537), to: "long")
    #expect(throws: CurveCertificateError.tooLong(file: long, bytesMax: 65_536)) {
      try CurveCertificate(readingFrom: long)
    }
    let missing = folder.path + "/missing"
    #expect(throws: CurveCertificateError.unreadable(file: missing, reason: "No such file or directory")) {
      try CurveCertificate(readingFrom: missing)
    }
  }

  @Test(
    "Metadata that the format cannot hold is refused",
    arguments: [("na me", "x"), ("", "x"), ("a", "x\ny"), ("a", "\"")])
  func unrepresentable(name: String, value: String) throws {
    let certificate = CurveCertificate(try CurveKeyPair.generate(), metadata: [.init(name: name, value: value)])
    #expect(throws: CurveCertificateError.unrepresentable(name: name)) {
      try certificate.write(to: folder.path + "/key")
    }
    #expect(folder.names() == [])
  }
}
