internal import Glibc

/// What programs have left running that ended by themselves, as they had asked: a supervisor, and what it watches. It is
/// killed when this goes out of use.
final class Background {
    let pid: pid_t
    private let supervisor: Supervisor

    init(_ supervisor: consuming Supervisor) {
        pid = supervisor.pid
        self.supervisor = supervisor
    }
}
