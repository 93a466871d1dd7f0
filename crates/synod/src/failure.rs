//! How a command ends: exit codes, and failures with the sentence that explains them.

use std::io;
use std::process::ExitCode;

/// How a command ended, as the process's exit code. Scripts rely on these numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: all is well.
    Fine,
    /// 1: the answer is bad news: a request was refused, the cluster is unhealthy, a property is violated.
    Bad,
    /// 2: a part of the answer is missing, or nothing can be concluded from it.
    Partial,
    /// 64: the command line or the configuration is wrong.
    Usage,
    /// 69: nobody answered.
    Unreachable,
    /// 70: the program is at fault, or something beneath it failed.
    Internal,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Fine => 0,
            Exit::Bad => 1,
            Exit::Partial => 2,
            Exit::Usage => 64,
            Exit::Unreachable => 69,
            Exit::Internal => 70,
        })
    }
}

/// Why a command ended early.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// The sentence for standard error; `None` where there is nothing to say, as when the reader of a pipe
    /// has left.
    pub sentence: Option<String>,
}

impl Failure {
    /// The command line or the configuration is wrong.
    pub fn usage(sentence: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, sentence: Some(sentence.into()) }
    }

    /// A server refused the request.
    pub fn refused(sentence: impl Into<String>) -> Self {
        Self { exit: Exit::Bad, sentence: Some(sentence.into()) }
    }

    /// Nobody answered.
    pub fn unreachable(sentence: impl Into<String>) -> Self {
        Self { exit: Exit::Unreachable, sentence: Some(sentence.into()) }
    }

    /// Something that should work did not.
    pub fn internal(sentence: impl Into<String>) -> Self {
        Self { exit: Exit::Internal, sentence: Some(sentence.into()) }
    }

    /// The same failure, its sentence put into a context: `context (sentence)`.
    pub fn within(self, context: &str) -> Self {
        Self { exit: self.exit, sentence: self.sentence.map(|sentence| format!("{context} ({sentence})")) }
    }
}

/// Writing an answer failed. When its reader has left (`synod get … | head`), that is no error.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self { exit: Exit::Fine, sentence: None }
        } else {
            Self::internal(format!("writing the answer failed: {error}"))
        }
    }
}
