import Federation
import GradientKernel

/// What training takes beside data and parameters: threads, and a network with its buffers.
///
/// Trainers of many workers may share one, as long as one of them works at a time: then memory is that of one model and
/// not of one a worker.
package final class TrainingWorkspace {
  package let kernelClass: KernelClass
  private let pool: ThreadPool
  private var held: (architecture: ModelArchitecture, network: Network)?
  private var capacity: (architecture: ModelArchitecture, most: Int, rows: Int)?

  /// Memory of a difference that nobody needs any more.
  private var spare: [Float] = []

  /// - Parameter threads: at least 1; results do not depend on it.
  package init(threads: Int = 1, kernelClass: KernelClass = .best) {
    self.kernelClass = kernelClass
    pool = ThreadPool(threads: threads)
  }

  /// Gives back what a trainer made, so that the next one does not ask the system for as much again.
  package func recycle(_ difference: consuming [Float]) { spare = difference }

  /// What a network has moved since its parameters were loaded.
  func difference(of network: Network) -> [Float] {
    var difference: [Float] = []
    swap(&difference, &spare)
    network.writeDifference(into: &difference)
    return difference
  }

  /// `Network.batchCapacity`, which takes a look at the whole architecture.
  func rows(for architecture: ModelArchitecture, atMost most: Int) -> Int {
    if let capacity, capacity.architecture == architecture, capacity.most == most { return capacity.rows }
    let rows = Network.batchCapacity(for: architecture, atMost: most)
    capacity = (architecture, most, rows)
    return rows
  }

  /// A network of this architecture with room for so many examples at once. Whatever it held is overwritten by the next
  /// who loads parameters.
  ///
  /// - Throws: `TrainingError.classUnavailable`, `.batchTooLarge`.
  func network(for architecture: ModelArchitecture, rows: Int) throws(TrainingError) -> Network {
    if let held, held.architecture == architecture, held.network.batchCapacity >= rows { return held.network }
    held = nil  // Before another one is made.
    do throws(KernelError) {
      let network = try Network(architecture, batchCapacity: rows, pool: pool, kernelClass: kernelClass)
      held = (architecture, network)
      return network
    } catch {
      throw TrainingError(error)
    }
  }
}
