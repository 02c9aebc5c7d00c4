/// How an execution ended (berth.v1.EndCause; the raw values are the wire's).
public enum EndCause: UInt32, Sendable, Equatable, CaseIterable {
    case unspecified = 0
    /// By itself, with an exit code.
    case exited = 1
    /// By a signal that Berth did not send.
    case signalled = 2
    case timedOut = 3
    case outOfMemory = 4
    case outputLimit = 5
    /// By `Signal`, the call's deadline, its connection's end or its lease's end.
    case cancelled = 6
    case containerLost = 7
    /// It never ran.
    case startFailed = 8
    /// The server is shutting down.
    case draining = 9
    /// It wrote nothing for its idle time-out.
    case idleTimeout = 10
    case cpuTimeLimit = 11
}

/// Why a program never ran (berth.v1.StartFailure; the raw values are the wire's).
public enum StartFailure: UInt32, Sendable, Equatable, CaseIterable {
    case unspecified = 0
    case programNotFound = 1
    case programNotExecutable = 2
    case badWorkingDirectory = 3
    /// No process or no memory left in the container.
    case noResources = 4
}
