// SPDX-License-Identifier: Apache-2.0

internal import CAgent
internal import Glibc

/// The processes of a program without a supervisor: descendants of the agent that belong to nothing else.
struct Strays {
    /// Children of the agent that are something else: supervisors, zygotes, other programs.
    var spared: [pid_t]
    /// The program, if there are others without a supervisor.
    var program: pid_t = 0
    /// The mark of what it started, if there are others; 0: everything that is not spared belongs to it.
    var mark: UInt64 = 0

    func withC<R>(_ body: (inout berth_strays) -> R) -> R {
        spared.withUnsafeBufferPointer { spared in
            var strays = berth_strays(
                spared: spared.baseAddress, count: Int32(spared.count), program: program, mark: mark)
            return body(&strays)
        }
    }

    /// Sends a signal to all of them; 0 is none.
    /// - Parameter group: a process group that does not get it.
    /// - Returns: how many there are.
    func signal(_ number: Int32, except group: pid_t = 0) -> Int32 {
        withC { berth_signal_strays(&$0, number, group) }
    }

    /// Whether any of them runs, or waits for a processor.
    var run: Bool { withC { berth_strays_run(&$0) != 0 } }

    /// CPU time that they have used, in microseconds.
    var cpuTime: UInt64 { withC { berth_cpu_time_of_strays(&$0) } }
}
