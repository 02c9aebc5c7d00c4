// SPDX-License-Identifier: Apache-2.0

internal import CHost

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// Begins the operations of an open loop when they are due. A thread sleeps until the next one, since timers of the
/// Swift runtime would be late by up to a millisecond, which is longer than an operation takes.
final class Pacer: @unchecked Sendable {
    // `mutex` protects everything; the thread sleeps on `changed`.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var queue: ArrivalQueue
    private var waiting: [Int: CheckedContinuation<Arrival?, Never>] = [:]
    private var isOver = false

    init(_ queue: ArrivalQueue) {
        self.queue = queue
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(changed, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(changed)
        pthread_mutex_destroy(mutex)
        changed.deallocate()
        mutex.deallocate()
    }

    /// Starts the thread, which ends after `close`.
    func start() {
        var thread = pthread_t()
        let context = Unmanaged.passRetained(self).toOpaque()
        let result = pthread_create(&thread, nil, pacerThread, context)
        precondition(result == 0, "a thread can't be started: \(String(cString: strerror(result)))")
        pthread_detach(thread)
    }

    /// Waits until the next operation for a worker is due. Returns nil if there are no more.
    func next(for worker: Int) async -> Arrival? {
        await withCheckedContinuation { continuation in
            let answer: Arrival??
            pthread_mutex_lock(mutex)
            switch queue.ask(worker, now: Monotonic.now()) {
            case .start(let arrival):
                answer = .some(arrival)
            case .finished:
                answer = .some(nil)
            case .wait:
                waiting[worker] = continuation
                answer = nil
                if waiting.count == 1 { pthread_cond_signal(changed) }
            }
            pthread_mutex_unlock(mutex)
            if let answer { continuation.resume(returning: answer) }
        }
    }

    /// Ends the loop: nothing more is handed out, and all waiting workers get nil.
    /// - Parameter unstarted: called with each arrival that was due before `end` and never begun.
    func close(end: Nanoseconds, unstarted: (Arrival) -> Void) {
        pthread_mutex_lock(mutex)
        isOver = true
        queue.close()
        let finished = takeFinished()
        queue.drainUnstarted(until: end, unstarted)
        pthread_cond_signal(changed)
        pthread_mutex_unlock(mutex)
        for continuation in finished { continuation.resume(returning: nil) }
    }

    /// The longest time that a due operation waited because all workers were busy, so here and not at the server.
    var longestBacklog: Nanoseconds {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return queue.longestBacklog
    }

    private func takeFinished() -> [CheckedContinuation<Arrival?, Never>] {
        queue.takeFinished().compactMap { waiting.removeValue(forKey: $0) }
    }

    fileprivate func work() {
        berth_exact_sleeps()
        pthread_mutex_lock(mutex)
        while !isOver {
            let due = queue.advance(to: Monotonic.now()).compactMap { worker, arrival in
                waiting.removeValue(forKey: worker).map { ($0, arrival) }
            }
            let finished = takeFinished()
            guard due.isEmpty, finished.isEmpty else {
                pthread_mutex_unlock(mutex)
                for (continuation, arrival) in due { continuation.resume(returning: arrival) }
                for continuation in finished { continuation.resume(returning: nil) }
                pthread_mutex_lock(mutex)
                continue
            }
            if let next = queue.nextAdvance {
                var time = timespec(tv_sec: Int(next / 1_000_000_000), tv_nsec: Int(next % 1_000_000_000))
                pthread_cond_timedwait(changed, mutex, &time)
            } else {
                pthread_cond_wait(changed, mutex)
            }
        }
        pthread_mutex_unlock(mutex)
    }
}

private func pacerThread(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let context else { return nil }
    Unmanaged<Pacer>.fromOpaque(context).takeRetainedValue().work()
    return nil
}
