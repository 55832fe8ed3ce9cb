/// The program that libFuzzer drives, with libFuzzer's own arguments; `FUZZ_TARGET` in the environment names the target,
/// because libFuzzer starts this program again with other arguments when it merges (`.ci/fuzz`).
/// `murmur-fuzz seeds FOLDER` writes the inputs to start from instead.
///
/// Only in a build with `MURMURATION_FUZZ=1` and `-sanitize=fuzzer`: the driver and the counters of coverage come from
/// there. A finding traps, and libFuzzer then keeps the input.

import Foundation
import Fuzzing

/// libFuzzer's entry for programs that have a `main` of their own (compiler-rt, `FuzzerDriver.cpp`).
@_silgen_name("LLVMFuzzerRunDriver")
func runDriver(
  _ argumentCount: UnsafeMutablePointer<Int32>,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
  _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
) -> Int32

func chosenTarget() -> FuzzTarget {
  let name = ProcessInfo.processInfo.environment["FUZZ_TARGET"] ?? ""
  guard let target = FuzzTarget(rawValue: name) else {
    fatalError("found FUZZ_TARGET='\(name)', expected one of \(FuzzTarget.allCases.map(\.rawValue))")
  }
  return target
}

let fuzzed = chosenTarget()

if CommandLine.arguments.count == 3, CommandLine.arguments[1] == "seeds" {
  let folder = URL(filePath: CommandLine.arguments[2])
  for (number, seed) in FuzzSeeds.all(of: fuzzed).enumerated() {
    try Data(seed).write(to: folder.appending(path: "seed-\(number)"))
  }
  exit(0)
}

var argumentCount = CommandLine.argc
var arguments = CommandLine.unsafeArgv
exit(
  runDriver(&argumentCount, &arguments) { bytes, count in
    if let finding = fuzzed.check(Array(UnsafeBufferPointer(start: bytes, count: count))) {
      fatalError("\(fuzzed): \(finding)")
    }
    return 0
  })
