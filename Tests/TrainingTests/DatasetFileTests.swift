import Foundation
import Tensors
import Testing
import Training

@Suite struct DatasetFileTests {
  /// Four examples of two features, classes 0 to 2.
  private static let features: [Float] = [1, 2, 3, 4, 5, 6, 7, 8.5]
  private static let labels = [0, 2, 1, 0]
  private static func expected(_ labelName: String = "label") throws -> Dataset {
    try Dataset(
      features: features, labels: labels.map(Int32.init), featureCount: 2, classCount: 3, labelName: labelName)
  }
  private static let x = DataFiles.npy("<f4", "(4, 2)", DataFiles.f32(features))
  private static let y = DataFiles.npy("<i8", "(4,)", DataFiles.i64(labels))
  /// Digits 0, 255, …: two images of 2 × 2 pixels.
  private static let images = DataFiles.idx(8, [2, 2, 2], [0, 255, 1, 2, 3, 4, 5, 6])

  private static func refusal(_ run: () throws -> Dataset) -> String {
    do {
      return "read \(try run().count) examples"
    } catch {
      return "\(error)".replacing(/^.*\/murmur-data-[^\/]*\//, with: "")
    }
  }

  // MARK: NPY

  @Test("NPY bytes as NumPy wrote them read as its array")
  func goldenNPY() throws {
    // numpy.save of numpy.array([[1.5, -2]], "<f8"), NumPy 2.4.
    let x = """
      934e554d5059010076007b276465736372273a20273c6638272c2027666f727472616e5f6f72646572273a2046616c73652c
      20277368617065273a2028312c2032292c207d20202020202020202020202020202020202020202020202020202020202020
      2020202020202020202020202020202020202020202020202020200a000000000000f83f00000000000000c0
      """
    let folder = try DataFolder()
    let features = try folder.file("x.npy", hex(x))
    let labels = try folder.file("y.npy", DataFiles.npy("|u1", "(1,)", [1]))
    let dataset = try DatasetFile.load(path: features, .init(label: "digit", labelFile: labels))
    #expect(dataset.features == [1.5, -2])
    #expect(dataset.labels == [1])
    #expect(dataset.labelName == "digit")
  }

  @Test("NPY versions 1 to 3, all element types and shapes of any rank are read", arguments: [1, 2, 3])
  func npy(major: Int) throws {
    let folder = try DataFolder()
    let header = "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 1, 2), }"
    let x = try folder.file("x.npy", DataFiles.npy(header, DataFiles.f64([1, 2, 3, 4]), major: major))
    let types: [(String, [UInt8])] = [
      ("|u1", [1, 0]), ("<i4", [1, 0, 0, 0, 0, 0, 0, 0]), ("<i8", DataFiles.i64([1, 0])),
      ("<f4", DataFiles.f32([1, 0])), ("<f8", DataFiles.f64([1, 0])),
    ]
    for (descr, elements) in types {
      let y = try folder.file("y.npy", DataFiles.npy(descr, "(2, 1)", elements))
      let dataset = try DatasetFile.load(path: x, .init(labelFile: y, divisor: 2))
      #expect(dataset.features == [0.5, 1, 1.5, 2])
      #expect(dataset.labels == [1, 0])
    }
  }

  @Test(
    "A wrong NPY file is refused by name",
    arguments: [
      (DataFiles.npy(">f4", "(1, 1)", [0, 0, 0, 0]), "elements of type '>f4', expected one of '<f4'"),
      (DataFiles.npy("|O", "(1, 1)", []), "elements of type '|O'"),
      (
        DataFiles.npy("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 1), }", [0, 0, 0, 0]),
        "'fortran_order': True, expected False"
      ),
      (DataFiles.npy("<f4", "(2, 1)", [0, 0, 0, 0]), "4 bytes of elements, expected 8 for shape [2, 1]"),
      (DataFiles.npy("<f4", "(1, 1)", [0, 0, 0, 0, 0]), "5 bytes of elements, expected 4"),
      (
        DataFiles.npy("<f4", "(4611686018427387904, 4611686018427387904)", []),
        "shape [4611686018427387904, 4611686018427387904], expected one whose elements can be counted"
      ),
      (
        DataFiles.npy("<f4", "(0, 4611686018427387904, 8)", []), "expected one whose elements can be counted"
      ),
      (DataFiles.npy("<f4", "(99999999999999999999,)", []), "expected a dimension"),
      (DataFiles.npy("<f4", "(-1,)", []), "expected a dimension"),
      (DataFiles.npy("<f4", "()", [0, 0, 0, 0]), "features of shape []"),
      (DataFiles.npy("{'descr': '<f4', 'shape': (1, 1)}", [0, 0, 0, 0]), "a dictionary without one of its keys"),
      (
        DataFiles.npy("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", []), "key 'descr'"
      ),
      (DataFiles.npy("{'descr': '<f4', 'evil': 1}", []), "key 'evil'"),
      (DataFiles.npy("{'descr': [('a', '<f4')]}", []), "expected a text in quotes"),
      (DataFiles.npy("{'descr': '<f4', 'fortran_order': 0}", []), "expected True or False"),
      (DataFiles.npy("__import__('os')", []), "expected '{'"),
      (DataFiles.npy("{}{}", []), "behind the dictionary"),
      (DataFiles.npy("{}", [], major: 4), "NPY version 4.0, expected version 1.0, 2.0 or 3.0"),
      (
        [0x93] + Array("NUMPY".utf8) + [1, 0, 0xFF, 0xFF] + [UInt8](repeating: 0x20, count: 9),
        "a header of 65535 bytes"
      ),
      (
        DataFiles.npyStart([2, 0, 0xFF, 0xFF, 0xFF, 0xFF]),
        "a header of 4294967295 bytes, expected at most 0"
      ),
      (DataFiles.npyStart([1]), "another beginning"),
      (Array("1,2,3".utf8), "a beginning of '31 2c 32 2c 33', expected that of a file of format npy, as the name says"),
      (
        DataFiles.npy("<f4", "(1, 2)", DataFiles.f32([0, .nan])),
        "nan in example 0, feature x1, expected a finite number"
      ),
      (DataFiles.npy("<f8", "(1, 1)", DataFiles.f64([1e300])), "1e+300 in example 0, feature x0"),
    ] as [([UInt8], String)])
  func badNPY(bytes: [UInt8], complaint: String) throws {
    let folder = try DataFolder()
    let x = try folder.file("x.npy", bytes)
    let y = try folder.file("y.npy", DataFiles.npy("|u1", "(1,)", [0]))
    let refusal = Self.refusal { try DatasetFile.load(path: x, .init(labelFile: y)) }
    #expect(refusal.hasPrefix("x.npy: ") && refusal.contains(complaint), "\(refusal)")
  }

  @Test(
    "Labels that are no classes, or not one an example, are refused",
    arguments: [
      (DataFiles.npy("<f4", "(4,)", DataFiles.f32([0, 1, 0.5, 0])), "0.5 as the label of example 2"),
      (DataFiles.npy("<i8", "(4,)", DataFiles.i64([0, 1, -1, 0])), "-1 as the label of example 2"),
      (DataFiles.npy("<i8", "(4,)", DataFiles.i64([0, .max, 0, 0])), "as the label of example 1"),
      (DataFiles.npy("<i8", "(4,)", DataFiles.i64([0, 65_536, 0, 0])), "expected a class from 0 to 65535"),
      (DataFiles.npy("<f4", "(4,)", DataFiles.f32([0, .nan, 0, 0])), "nan as the label of example 1"),
      (DataFiles.npy("<i8", "(3,)", DataFiles.i64([0, 0, 0])), "3 labels, expected 4, one an example"),
      (DataFiles.npy("|u1", "(4, 2)", [0, 0, 0, 0, 0, 0, 0, 0]), "labels of shape [4, 2]"),
    ] as [([UInt8], String)])
  func badLabels(bytes: [UInt8], complaint: String) throws {
    let folder = try DataFolder()
    let x = try folder.file("x.npy", Self.x)
    let y = try folder.file("y.npy", bytes)
    let refusal = Self.refusal { try DatasetFile.load(path: x, .init(labelFile: y)) }
    #expect(refusal.hasPrefix("y.npy: ") && refusal.contains(complaint), "\(refusal)")
  }

  // MARK: NPZ

  @Test(
    "NPZ archives are read, stored or deflated, with x and y or names that say so",
    arguments: [("x", "y", false), ("features", "labels", true), ("x", "digit", true)])
  func npz(xName: String, yName: String, isDeflated: Bool) throws {
    let folder = try DataFolder()
    let zip64 = DataFiles.little(1, 2) + DataFiles.little(16, 2) + [UInt8](repeating: 0, count: 16)
    let path = try folder.file(
      "d.npz",
      DataFiles.zip(
        [
          .init(name: "note.npy", bytes: [1]),
          .init(name: "\(xName).npy", bytes: Self.x, isDeflated: isDeflated, localExtra: zip64),
          .init(name: "\(yName).npy", bytes: Self.y, isDeflated: isDeflated),
        ], comment: "PK\u{5}\u{6}"))
    let label = yName == "digit" ? "digit" : nil
    #expect(try DatasetFile.load(path: path, .init(label: label)) == Self.expected(yName))
  }

  @Test("An archive that numpy.savez_compressed wrote is read")
  func goldenNPZ() throws {
    // numpy.savez_compressed(f, x=numpy.array([[1, 2], [3, 4]], "|u1"), y=numpy.array([0, 1], "<i8")), made by Python's
    // zipfile, whose deflated streams are zlib's.
    let folder = try DataFolder()
    let path = try folder.file("d.npz", [UInt8](try #require(Data(base64Encoded: Self.compressed))))
    let dataset = try DatasetFile.load(path: path)
    #expect(dataset.features == [1, 2, 3, 4])
    #expect(dataset.labels == [0, 1])
  }

  @Test(
    "A wrong archive is refused by name",
    arguments: [
      (DataFiles.zip([.init(name: "x.npy", bytes: x)]), "arrays x, expected one array of labels named y or labels"),
      (
        DataFiles.zip([.init(name: "x.npy", bytes: x), .init(name: "features.npy", bytes: x)]),
        "expected one array of features named x or features"
      ),
      (DataFiles.zip([.init(name: "x.npy", bytes: x), .init(name: "x.npy", bytes: x)]), "two files named x.npy"),
      (zip(x: .init(name: "x.npy", bytes: x, checkSum: 7)), "x.npy: found CRC-32"),
      (zip(x: .init(name: "x.npy", bytes: x, isDeflated: true, checkSum: 7)), "x.npy: found CRC-32"),
      (zip(x: .init(name: "x.npy", bytes: x, method: 12)), "compression method 12, expected 0 (stored) or 8"),
      (zip(x: .init(name: "x.npy", bytes: x, flags: 1)), "an encrypted file"),
      (zip(x: .init(name: "x.npy", bytes: x, byteCount: 5)), "5 bytes from 160, expected as many"),
      (
        zip(x: .init(name: "x.npy", bytes: x, isDeflated: true, byteCount: 999_999)),
        "999999 bytes from 165, expected at most 1032 times as many"
      ),
      (zip(x: .init(name: "x.npy", bytes: x, isDeflated: true, byteCount: 159)), "found more, expected 159"),
      (zip(x: .init(name: "x.npy", bytes: x, isDeflated: true, byteCount: 161)), "found 160 bytes, expected 161"),
      (zip(x: .init(name: "x.npy", bytes: x, byteCount: 0xFFFF_FFFF)), "a ZIP64 size"),
      (zip(x: .init(name: "x.npy", bytes: [7] + x, method: 8)), "damaged bytes"),
      (Array(zip(x: .init(name: "x.npy", bytes: x)).dropLast(30)), "no end record of a ZIP archive"),
      ([0x50, 0x4B, 3, 4], "no end record of a ZIP archive"),
    ] as [([UInt8], String)])
  func badNPZ(bytes: [UInt8], complaint: String) throws {
    let folder = try DataFolder()
    let path = try folder.file("d.npz", bytes)
    let refusal = Self.refusal { try DatasetFile.load(path: path) }
    #expect(refusal.hasPrefix("d.npz: ") && refusal.contains(complaint), "\(refusal)")
  }

  private static func zip(x: DataFiles.ZipEntry) -> [UInt8] { DataFiles.zip([x, .init(name: "y.npy", bytes: y)]) }

  @Test("No byte of an archive, an IDX file or an NPY file that is changed or cut off crashes the reader")
  func mutations() throws {
    let folder = try DataFolder()
    let labels = try folder.file("y.npy", Self.y)
    for (name, whole) in [
      ("d.npz", Self.zip(x: .init(name: "x.npy", bytes: Self.x, isDeflated: true))), ("x.npy", Self.x),
      ("x.idx", Self.images), ("x.csv.gz", DataFiles.gzip(Array("a,y\n1,0\n".utf8))),
    ] {
      for i in whole.indices {
        for change in [UInt8(0xFF), 0x80, 0x01] {
          var bytes = whole
          bytes[i] ^= change
          let path = try folder.file(name, bytes)
          _ = Self.refusal { try DatasetFile.load(path: path, .init(labelFile: name == "d.npz" ? nil : labels)) }
        }
        let path = try folder.file(name, Array(whole[..<i]))
        _ = Self.refusal { try DatasetFile.load(path: path, .init(labelFile: name == "d.npz" ? nil : labels)) }
      }
    }
  }

  // MARK: IDX and gzip

  @Test("IDX files are read, compressed or not, with the labels beside them", arguments: ["", ".gz"], ["", ".gz"])
  func idx(imageEnding: String, labelEnding: String) throws {
    let folder = try DataFolder()
    let labels = DataFiles.idx(8, [2], [9, 4])
    let path = try folder.file(
      "t-images-idx3-ubyte" + imageEnding, imageEnding.isEmpty ? Self.images : DataFiles.gzip(Self.images))
    _ = try folder.file(
      "t-labels-idx1-ubyte" + labelEnding, labelEnding.isEmpty ? labels : DataFiles.gzip(labels))
    let dataset = try DatasetFile.load(path: path, .init(classCount: 10, divisor: 255))
    #expect(dataset.features == ([0, 255, 1, 2, 3, 4, 5, 6] as [Float]).map { $0 / 255 })
    #expect(dataset.labels == [9, 4])
    #expect(dataset.classCount == 10)
  }

  @Test("All element types of IDX are read, big-endian")
  func idxTypes() throws {
    let folder = try DataFolder()
    let labels = try folder.file("y.idx", DataFiles.idx(8, [2], [0, 1]))
    let types: [(UInt8, [UInt8])] = [
      (0x09, [1, 0xFE]), (0x0B, [0, 1, 0xFF, 0xFE]), (0x0C, [0, 0, 0, 1, 0xFF, 0xFF, 0xFF, 0xFE]),
      (0x0D, hex("3f800000 c0000000")), (0x0E, hex("3ff0000000000000 c000000000000000")),
    ]
    for (type, elements) in types {
      let path = try folder.file("x.idx", DataFiles.idx(type, [2, 1], elements))
      #expect(try DatasetFile.load(path: path, .init(labelFile: labels)).features == [1, -2])
    }
  }

  @Test(
    "A wrong IDX file is refused by name",
    arguments: [
      (DataFiles.idx(8, [2, 2, 2], [1, 2, 3]), "3 bytes of elements, expected 8 for shape [2, 2, 2]"),
      (DataFiles.idx(8, [2, 4], [UInt8](repeating: 0, count: 9)), "9 bytes of elements, expected 8"),
      (
        DataFiles.idx(8, [0xFFFF_FFFF, 0xFFFF_FFFF, 0xFFFF_FFFF], []), "expected one whose elements can be counted"
      ),
      (DataFiles.idx(0x0E, [0xFFFF_FFFF, 0x1000_0000], []), "0 bytes of elements"),
      (DataFiles.idx(0x0A, [1], [1]), "a beginning of '0 0 a 1 0 0 0 1'"),
      ([0, 0, 8, 3, 0, 0], "6 bytes, expected a header of 16"),
    ] as [([UInt8], String)])
  func badIDX(bytes: [UInt8], complaint: String) throws {
    let folder = try DataFolder()
    let path = try folder.file("x.idx", bytes)
    let labels = try folder.file("y.idx", DataFiles.idx(8, [2], [0, 1]))
    let refusal = Self.refusal { try DatasetFile.load(path: path, .init(labelFile: labels)) }
    #expect(refusal.hasPrefix("x.idx: ") && refusal.contains(complaint), "\(refusal)")
  }

  @Test("Arrays of no examples are refused")
  func noExamples() throws {
    let folder = try DataFolder()
    let x = try folder.file("x.idx", DataFiles.idx(8, [0, 4], []))
    let y = try folder.file("y.npy", DataFiles.npy("|u1", "(0,)", []))
    #expect(throws: DatasetError.noRows(file: x)) { try DatasetFile.load(path: x, .init(labelFile: y)) }
  }

  @Test("Images without labels beside them are refused with the name that is missing")
  func noLabels() throws {
    let folder = try DataFolder()
    let named = try folder.file("images-idx3-ubyte", Self.images)
    #expect(
      Self.refusal { try DatasetFile.load(path: named) }
        == "images-idx3-ubyte: found no labels beside it, expected a file labels-idx1-ubyte, or another one given")
    let unnamed = try folder.file("x.idx", Self.images)
    #expect(
      Self.refusal { try DatasetFile.load(path: unnamed) }
        == "x.idx: found no labels, expected a label file given beside it")
  }

  @Test("A file compressed with gzip is what is in it, all members of it")
  func gzip() throws {
    let folder = try DataFolder()
    let path = try folder.file("f.csv.gz", DataFiles.gzip(Array("a,y\n1,".utf8)) + DataFiles.gzip(Array("0\n".utf8)))
    let file = try DatasetFile(path: path)
    #expect(file.isCompressed && file.format == .csv && file.byteCount == 8)
    #expect(try file.dataset().features == [1])
  }

  @Test(
    "Damaged gzip is refused by name",
    arguments: [
      (Array(DataFiles.gzip([1, 2, 3]).dropLast(1)), "an end in the middle"),
      (hex("1f8b08000000000000ff 010300fcff010203 1d80bc55 03000000 07"), "1 bytes behind the end"),
      (hex("1f8b08000000000000ff 010300fcff010203 00000000 03000000"), "damaged bytes (incorrect data check)"),
      ([0x1F, 0x8B, 9, 0, 0, 0, 0, 0, 0, 0, 0], "damaged bytes (unknown compression method)"),
    ] as [([UInt8], String)])
  func badGzip(bytes: [UInt8], complaint: String) throws {
    let folder = try DataFolder()
    let path = try folder.file("f.csv.gz", bytes)
    let refusal = Self.refusal { try DatasetFile.load(path: path) }
    #expect(refusal.hasPrefix("f.csv.gz: ") && refusal.contains(complaint), "\(refusal)")
  }

  // MARK: Targets and texts

  @Test("Values to predict come from a label file or an array, of one column or several")
  func values() throws {
    let folder = try DataFolder()
    let x = try folder.file("x.npy", Self.x)
    let wide = DataFiles.npy("<f4", "(4, 2)", DataFiles.f32([0, 1, 2, 3, 4, 5, 6, -7.5]))
    let y = try folder.file("y.npy", wide)
    let dataset = try DatasetFile.load(path: x, .init(targets: ["force"], labelFile: y, divisor: 2))
    #expect(dataset.targets == .values([0, 1, 2, 3, 4, 5, 6, -7.5], width: 2))
    #expect(dataset.targetNames == ["force0", "force1"] && dataset.features == Self.features.map { $0 / 2 })
    let one = DataFiles.npy("<f8", "(4,)", DataFiles.f64([1, 2, 3, 4]))
    let npz = try folder.file(
      "d.npz", DataFiles.zip([.init(name: "x.npy", bytes: Self.x), .init(name: "v.npy", bytes: one)]))
    let archive = try DatasetFile.load(path: npz, .init(targets: ["v"]))
    #expect(archive.targets == .values([1, 2, 3, 4], width: 1) && archive.targetNames == ["v"])
    let bad = try folder.file("y.npy", DataFiles.npy("<f4", "(4,)", DataFiles.f32([0, .nan, 0, 0])))
    for (reading, complaint) in [
      (DatasetFile.Reading(targets: ["v"], labelFile: bad), "nan in example 1, value 0, expected a finite number"),
      (.init(targets: ["v", "w"], labelFile: bad), "2 targets, expected one array of format npy"),
      (.init(label: "y", targets: ["v"], labelFile: bad), "a label and targets, expected one of them"),
    ] {
      let refusal = Self.refusal { try DatasetFile.load(path: x, reading) }
      #expect(refusal.contains(complaint), "\(refusal)")
    }
  }

  @Test("A text is read as sequences, by the vocabulary of a run and by its roles")
  func sequences() throws {
    let folder = try DataFolder()
    let path = try folder.file("play.txt", Array("A:\nho ho\n\nB:\nhe\n".utf8))
    let vocabulary = try #require(CharacterVocabulary(Array("zyxABeho \n:".unicodeScalars)))
    let dataset = try DatasetFile.load(
      path: path, .init(groupColumn: "role", divisor: 16, sequenceLength: 2, vocabulary: vocabulary))
    #expect(dataset.classCount == 11 && dataset.vocabulary == vocabulary)
    #expect(Array(dataset.features[..<2]) == [3, 10])
    #expect(dataset.groups?.names == ["A", "B"])
    for (reading, complaint) in [
      (DatasetFile.Reading(groupColumn: "town", sequenceLength: 2), "expected a column town of names"),
      (.init(targets: ["v"], sequenceLength: 2), "targets of a text"), (.init(), "or a length of sequences"),
      (.init(labelFile: path, sequenceLength: 2), "a label file beside format text"),
    ] {
      let refusal = Self.refusal { try DatasetFile.load(path: path, reading) }
      #expect(refusal.contains(complaint), "\(refusal)")
    }
    let csv = try folder.file("a.csv", Array("a,y\n1,0\n".utf8))
    #expect(Self.refusal { try DatasetFile.load(path: csv, .init(sequenceLength: 2)) }.contains("expected a text"))
  }

  // MARK: Safetensors, recognition, large files

  @Test("Safetensors files with x and y are read; others are refused by name")
  func safetensors() throws {
    let folder = try DataFolder()
    let x = NamedTensor(name: "x", dtype: .f32, shape: [4, 2], bytes: DataFiles.f32(Self.features))
    let y = NamedTensor(name: "y", dtype: .i64, shape: [4], bytes: DataFiles.i64(Self.labels))
    let path = try folder.file("d.safetensors", Safetensors.encode([x, y]))
    #expect(try DatasetFile.load(path: path) == Self.expected("y"))
    let half = NamedTensor(name: "x", dtype: .f16, shape: [4], bytes: [UInt8](repeating: 0, count: 8))
    for (tensors, complaint) in [
      ([x], "arrays x, expected one array of labels"), ([half, y], "tensor x: found elements of type F16"),
    ] {
      let wrong = try folder.file("d.safetensors", Safetensors.encode(tensors))
      let refusal = Self.refusal { try DatasetFile.load(path: wrong) }
      #expect(refusal.contains(complaint), "\(refusal)")
    }
    let cut = try folder.file("d.safetensors", Array(Safetensors.encode([x, y]).dropLast(1)))
    #expect(Self.refusal { try DatasetFile.load(path: cut) }.contains("wrongBufferLength"))
  }

  @Test(
    "A format is recognised by content, whatever the name",
    arguments: [
      ("a.csv", x, .npy), ("a", images, .idx), ("a.txt", zip(x: .init(name: "x.npy", bytes: x)), .npz),
      ("a", Array("a,y\n".utf8), .csv), ("a.txt", Array("a,y\n".utf8), .text), ("a.csv", [], .csv),
    ] as [(String, [UInt8], DatasetFile.Format)])
  func recognition(name: String, bytes: [UInt8], format: DatasetFile.Format) throws {
    let folder = try DataFolder()
    #expect(try DatasetFile(path: folder.file(name, bytes)).format == format)
    #expect(try DatasetFile(path: folder.file(name + ".gz", DataFiles.gzip(bytes))).format == format)
  }

  @Test("What does not go together with a format is refused")
  func wrongReadings() throws {
    let folder = try DataFolder()
    let csv = try folder.file("a.csv", Array("a,y\n1,0\n".utf8))
    let npz = try folder.file("a.npz", Self.zip(x: .init(name: "x.npy", bytes: Self.x)))
    let text = try folder.file("a.txt", Array("hello".utf8))
    #expect(
      Self.refusal { try DatasetFile.load(path: csv, .init(labelFile: npz)) }
        == "a.csv: found a label file beside format csv, expected none")
    #expect(
      Self.refusal { try DatasetFile.load(path: npz, .init(groupColumn: "ward")) }
        == "a.npz: found format npz, expected a CSV file with a column of groups")
    #expect(
      Self.refusal { try DatasetFile.load(path: text) }.hasPrefix("a.txt: found a text, expected labelled examples"))
    #expect(throws: DatasetError.self) { try DatasetFile(path: csv).text() }
    #expect(throws: DatasetError.unreadable(file: "/nowhere/x.npy", reason: "No such file or directory")) {
      try DatasetFile(path: "/nowhere/x.npy")
    }
  }

  @Test("A large file is mapped instead of read, and gives the same")
  func mapped() throws {
    let folder = try DataFolder()
    let rows = 5_000_000
    let elements = (0..<4 * rows).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    let x = try folder.file("x.idx", DataFiles.idx(8, [rows, 4], elements))
    let y = try folder.file("y.idx", DataFiles.idx(8, [rows], [UInt8](repeating: 3, count: rows)))
    let file = try DatasetFile(path: x)
    #expect(file.isMapped)
    let dataset = try file.dataset(.init(labelFile: y))
    #expect(dataset.features.elementsEqual(elements.lazy.map(Float.init)))
  }

  // MARK: Real data

  @Test("The real digits of MNIST are 28 by 28 pixels in ten classes", .enabled(if: realData("mnist10k") != nil))
  func mnist() throws {
    let path = try #require(realData("mnist10k")) + "/images-idx3-ubyte.gz"
    let dataset = try DatasetFile.load(path: path, .init(label: "digit"))
    #expect(dataset.count == 10_000 && dataset.featureCount == 784 && dataset.classCount == 10)
    #expect(dataset.features.max() == 255 && dataset.features.min() == 0)
    #expect(dataset.classCounts.allSatisfy { (850...1_150).contains($0) })
  }

  private static let compressed =
    "UEsDBC0AAAAIAAAAIQCCX1jr//////////8FABQAeC5ucHkBABAAhAAAAAAAAABKAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6l"
    + "oF5Taqiuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GkY6CkaaOgq1CmQDLkYmZhYAUEsDBC0AAAAIAAAAIQB+avvJ////"
    + "//////8FABQAeS5ucHkBABAAkAAAAAAAAABJAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loG6TaaGuo6Cell9UUpSYF59flJIK"
    + "EndLzClOBYoXZyQWpAL5GkY6mjoKtQoUAC4GKGCE0gBQSwECLQMtAAAACAAAACEAgl9Y60oAAACEAAAABQAAAAAAAAAAAAAAgAEA"
    + "AAAAeC5ucHlQSwECLQMtAAAACAAAACEAfmr7yUkAAACQAAAABQAAAAAAAAAAAAAAgAGBAAAAeS5ucHlQSwUGAAAAAAIAAgBmAAAA"
    + "AQEAAAAA"
}
