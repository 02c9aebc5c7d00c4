// SPDX-License-Identifier: Apache-2.0

import Glibc

/// The function that libFuzzer calls, which has the `main` of the program; `Tests/Fuzz/run` builds and starts it. The
/// target is in the environment, since libFuzzer restarts itself with its own arguments.
@_cdecl("LLVMFuzzerTestOneInput")
package func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    // A rule that was broken is a crash, so that its input is kept.
    if let broken = target.run(UnsafeRawBufferPointer(start: start, count: count)) { fatalError(broken) }
    return 0
}

private let target: FuzzTarget = {
    let name = getenv("BERTH_FUZZ_TARGET").map { String(cString: $0) } ?? ""
    guard let target = FuzzTarget(rawValue: name) else {
        fatalError("BERTH_FUZZ_TARGET is none of \(FuzzTarget.allCases.map(\.rawValue))")
    }
    return target
}()
