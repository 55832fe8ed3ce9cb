import GradientKernel
import SecureAggregation

extension ThreadPool: PartRunner {
  package var threadCount: Int { count }
}
