import ArgumentParser
import Glibc
import GradientKernel

/// The product of two square matrices by OpenBLAS: what the machine's floating point can do at best.
///
/// OpenBLAS is loaded when the benchmark runs, so that nothing else needs it. Each thread multiplies matrices of its own.
struct MatrixProducts {
  let maximumThreads: Int
  /// GFLOP/s of all threads together, by their number from 1.
  private(set) var rates: [Double] = []
  /// The kernels that OpenBLAS chose for this CPU.
  let coreName: String

  private typealias Multiply =
    @convention(c) (
      Int32, Int32, Int32, Int32, Int32, Int32, Float, UnsafePointer<Float>, Int32, UnsafePointer<Float>, Int32, Float,
      UnsafeMutablePointer<Float>, Int32
    ) -> Void

  private static let side: Int32 = 1024

  init(maximumThreads: Int, stopwatch: Stopwatch) throws {
    self.maximumThreads = maximumThreads
    guard let library = dlopen("libopenblas.so.0", RTLD_NOW),
      let sgemm = dlsym(library, "cblas_sgemm"), let setThreads = dlsym(library, "openblas_set_num_threads"),
      let name = dlsym(library, "openblas_get_corename")
    else {
      throw ValidationError(
        "libopenblas.so.0: found no such library, expected the reference of the kernel: "
          + "apt-get install -y --no-install-recommends libopenblas0-pthread")
    }
    let multiply = unsafeBitCast(sgemm, to: Multiply.self)
    unsafeBitCast(setThreads, to: (@convention(c) (Int32) -> Void).self)(1)
    let text = unsafeBitCast(name, to: (@convention(c) () -> UnsafePointer<CChar>?).self)()
    coreName = text.map { String(cString: $0) } ?? "unknown"
    for threads in 1...maximumThreads {
      let work = Products(threads: threads, side: Int(Self.side), multiply: multiply)
      let pool = ThreadPool(threads: threads)
      let seconds = stopwatch.least(threads: threads) { pool.run(work) }
      rates.append(2 * Double(Self.side) * Double(Self.side) * Double(Self.side) * Double(threads) / seconds / 1e9)
    }
  }

  func report(to report: inout Report) {
    let section = "limits: sgemm of \(Self.side) x \(Self.side) x \(Self.side), OpenBLAS \(coreName)"
    for (index, rate) in rates.enumerated() {
      report.add(Figure(section: section, name: "\(index + 1) threads", value: rate, unit: "GF/s"))
    }
  }

  private final class Products: ParallelWork {
    private let side: Int
    private let multiply: Multiply
    private let matrices: [UnsafeMutablePointer<Float>]

    init(threads: Int, side: Int, multiply: @escaping Multiply) {
      self.side = side
      self.multiply = multiply
      matrices = (0..<3 * threads).map { _ in
        let matrix = UnsafeMutablePointer<Float>.allocate(capacity: side * side)
        matrix.initialize(repeating: 0.5, count: side * side)
        return matrix
      }
    }

    deinit { for matrix in matrices { matrix.deallocate() } }

    func perform(thread: Int, of count: Int) {
      let n = Int32(side), rowMajor: Int32 = 101, plain: Int32 = 111
      multiply(
        rowMajor, plain, plain, n, n, n, 1, matrices[3 * thread], n, matrices[3 * thread + 1], n, 0,
        matrices[3 * thread + 2], n)
    }
  }
}
