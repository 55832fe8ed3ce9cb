import Glibc

/// Where a file is, seen from the folder of another.
enum RelativePath {
  /// - Parameters:
  ///   - path: from the working directory, or absolute.
  ///   - file: likewise; need not exist.
  static func of(_ path: String, fromFolderOf file: String) -> String {
    let target = steps(path), folder = steps(file).dropLast()
    let common = zip(target, folder).prefix { $0 == $1 }.count
    let up = Array(repeating: "..", count: folder.count - common)
    return (up + target.dropFirst(common).map(String.init)).joined(separator: "/")
  }

  /// The folders and the name of a path from the root, without `.` and `..`.
  private static func steps(_ path: String) -> [Substring] {
    var steps: [Substring] = []
    let whole = path.hasPrefix("/") ? path : workingDirectory + "/" + path
    for step in whole.split(separator: "/") where step != "." {
      if step == ".." { _ = steps.popLast() } else { steps.append(step) }
    }
    return steps
  }

  private static var workingDirectory: String {
    guard let found = getcwd(nil, 0) else { return "/" }
    defer { free(found) }
    return String(cString: found)
  }
}
