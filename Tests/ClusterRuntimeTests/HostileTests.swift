import Testing

/// Real processes, and what must never happen to them (DESIGN §7). They share few cores, so they run one after another.
@Suite(.serialized, .timeLimit(.minutes(3))) enum HostileTests {}
