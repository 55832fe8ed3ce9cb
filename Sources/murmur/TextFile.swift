import ModelRegistry

/// Small text files.
enum TextFile {
  static let byteCountMax = 16 << 20

  static func read(_ path: String) throws(FileError) -> String {
    String(decoding: try DurableFile.read(path, byteCountMax: byteCountMax), as: UTF8.self)
  }

  static func write(_ text: String, to path: String) throws(FileError) {
    try DurableFile.write(Array(text.utf8), to: path)
  }
}
