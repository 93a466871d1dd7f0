//! Threads that stand back: what they do is waited for by nobody, while others wait for the same cores.

/// Nice value of threads that flush and merge: when the cores are full, those that serve clients get three times their share. With much
/// less than that a member under full load would write its layers more slowly than it fills them, and its writers would wait.
#[cfg(target_os = "linux")]
const NICE: i32 = 5;

/// Lets the calling thread, and those that it starts from now on, stand back.
pub fn stand_back() {
    // Elsewhere than on Linux this would be said of the whole process. Without the right to, all stay equal.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, NICE);
}
