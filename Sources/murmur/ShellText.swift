/// Commands as they can be typed into a shell.
enum ShellText {
  static func command(_ words: [String]) -> String { words.map(word).joined(separator: " ") }

  private static func word(_ word: String) -> String {
    let plain = word.unicodeScalars.allSatisfy { scalar in
      scalar.properties.isAlphabetic || ("0"..."9").contains(scalar) || "_-./=:+,@%".unicodeScalars.contains(scalar)
    }
    return plain && !word.isEmpty ? word : "'" + word.replacing("'", with: "'\\''") + "'"
  }
}
