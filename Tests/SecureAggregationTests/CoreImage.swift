#if os(Linux)
  import Foundation
  import Testing

  /// The memory of another process, and what the kernel would write of it into a core dump: every mapping that can be
  /// read, except those with MADV_DONTDUMP (`dd` in /proc/PID/smaps, proc(5)).
  ///
  /// More than a real core, which leaves out files that are mapped and not written to; nothing of a real one is left out.
  struct CoreImage {
    struct Mapping {
      let range: Range<UInt64>
      let name: String
      /// Left out of core dumps.
      let isExcluded: Bool
    }

    /// Where something was found.
    struct Place: Hashable, CustomStringConvertible {
      let mapping: String
      let address: UInt64
      var description: String { "\(mapping.isEmpty ? "heap or stack" : mapping) at 0x\(String(address, radix: 16))" }
    }

    private let process: pid_t
    let mappings: [Mapping]

    init(of process: pid_t) throws {
      self.process = process
      var mappings: [Mapping] = []
      var head: (Range<UInt64>, String, Bool)?
      let text = try Self.text(ofFile: "/proc/\(process)/smaps")
      for line in text.split(separator: "\n") {
        let words = line.split(separator: " ", omittingEmptySubsequences: true)
        if words[0] == "VmFlags:" {
          if let (range, name, isReadable) = head, isReadable {
            mappings.append(Mapping(range: range, name: name, isExcluded: words.contains("dd")))
          }
          head = nil
        } else if !words[0].hasSuffix(":") {
          let ends = words[0].split(separator: "-").compactMap { UInt64($0, radix: 16) }
          try #require(ends.count == 2 && words.count >= 5, "\(line)")
          // The kernel's own pages ([vvar], [vsyscall]) hold nothing of the process, and not all can be read.
          let name = words.count > 5 ? String(words[5]) : ""
          head = (ends[0]..<ends[1], name, words[1].hasPrefix("r") && !name.hasPrefix("[v"))
        }
      }
      self.mappings = mappings
    }

    /// Reads to the end, which Foundation does not do with a file that says it has no bytes.
    private static func text(ofFile path: String) throws -> String {
      let file = open(path, O_RDONLY | O_CLOEXEC)
      try #require(file >= 0, "\(path): \(String(cString: strerror(errno)))")
      defer { close(file) }
      var bytes: [UInt8] = []
      var piece = [UInt8](repeating: 0, count: 65_536)
      while case let count = read(file, &piece, piece.count), count > 0 { bytes += piece[..<count] }
      return String(decoding: bytes, as: UTF8.self)
    }

    /// Every occurrence of the 16 bytes of any piece, at any address of the mappings with or without the `dd` flag.
    ///
    /// - Parameter pieces: 16 bytes each, with an index into what the caller knows of them.
    func find(_ pieces: [(bytes: [UInt8], index: Int)], excluded: Bool) throws -> [Int: Set<Place>] {
      let memory = open("/proc/\(process)/mem", O_RDONLY | O_CLOEXEC)
      try #require(memory >= 0, "/proc/\(process)/mem: \(String(cString: strerror(errno)))")
      defer { close(memory) }
      let index = PieceIndex(pieces)
      var found: [Int: Set<Place>] = [:]
      let windowByteCount = 1 << 20
      let window = UnsafeMutableRawBufferPointer.allocate(byteCount: windowByteCount + 15, alignment: 16)
      defer { window.deallocate() }
      for mapping in mappings where mapping.isExcluded == excluded {
        var address = mapping.range.lowerBound
        while address < mapping.range.upperBound {
          let count = min(window.count, Int(mapping.range.upperBound - address))
          let got = pread(memory, window.baseAddress, count, off_t(address))
          try #require(got == count, "\(mapping.name) at \(address): \(String(cString: strerror(errno)))")
          index.search(UnsafeRawBufferPointer(rebasing: window[..<count])) { index, offset in
            found[index, default: []].insert(Place(mapping: mapping.name, address: address + UInt64(offset)))
          }
          address += UInt64(windowByteCount)
        }
      }
      return found
    }
  }

  /// Finds many pieces of 16 bytes in one pass: a bit for the first 2 bytes, a table for the first 8.
  private struct PieceIndex {
    private var starts = [Bool](repeating: false, count: 1 << 16)
    private var table: [UInt64: [(second: UInt64, index: Int)]] = [:]

    init(_ pieces: [(bytes: [UInt8], index: Int)]) {
      for piece in pieces {
        precondition(piece.bytes.count == 16)
        let (first, second) = piece.bytes.withUnsafeBytes {
          ($0.loadUnaligned(as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        }
        starts[Int(first & 0xFFFF)] = true
        table[first, default: []].append((second, piece.index))
      }
    }

    func search(_ memory: UnsafeRawBufferPointer, _ found: (Int, Int) -> Void) {
      guard memory.count >= 16 else { return }
      starts.withUnsafeBufferPointer { starts in
        for offset in 0...memory.count - 16 {
          guard starts[Int(memory.loadUnaligned(fromByteOffset: offset, as: UInt16.self))] else { continue }
          let first = memory.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
          guard let candidates = table[first] else { continue }
          let second = memory.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self)
          for candidate in candidates where candidate.second == second { found(candidate.index, offset) }
        }
      }
    }
  }
#endif
