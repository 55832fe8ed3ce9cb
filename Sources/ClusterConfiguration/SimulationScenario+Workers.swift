import Federation

/// What a scenario says of single workers.
extension SimulationScenario {
  static func slowWorkers(in top: ConfigurationSection, population: Population) throws(ConfigurationError)
    -> [WorkerID: Double]
  {
    guard top.has("slow-workers") else { return [:] }
    var slowness: [WorkerID: Double] = [:]
    for section in try top.sections("slow-workers", keys: ["worker", "factor"]) {
      let worker = try worker(in: section, of: population)
      guard slowness[worker] == nil else {
        throw section.error(at: "worker", found: "\"\(worker)\" twice", expected: "each worker once")
      }
      slowness[worker] = try section.number("factor", expected: "a number above 0, at most 10000") {
        $0 > 0 && $0 <= 10_000
      }
    }
    return slowness
  }

  static func worker(
    in section: ConfigurationSection, of population: Population
  ) throws(ConfigurationError) -> WorkerID {
    let worker: WorkerID = try section.name("worker")
    guard let number = Int(worker.text.dropFirst("worker-".count)), (1...population.workers).contains(number),
      worker.text == "worker-\(number)"
    else {
      throw section.error(
        at: "worker", found: "\"\(worker)\"",
        expected: "a worker of the population, worker-1 to worker-\(population.workers)")
    }
    return worker
  }
}
