//! The few textual forms of the Go world that etcd's users write and read: durations, quoted strings,
//! switches.
//!
//! etcd's flags say `2s` and `-client-cert-auth=T`; `etcdctl -w fields` prints keys as Go quotes them; a
//! transaction script quotes its keys the same way. A client that takes etcd's place has to read and print
//! exactly these forms, so they are written out here once, as pure functions. Only what those three need is
//! here: no general Go parser.

pub mod duration;
pub mod quoting;

/// Reads a switch as Go's flag package does; `None` for anything else.
pub fn parse_switch(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::parse_switch;

    #[test]
    fn switches_are_those_of_go() {
        assert_eq!(parse_switch("T"), Some(true));
        assert_eq!(parse_switch("False"), Some(false));
        for other in ["", "yes", "on", "tRUE", " true"] {
            assert_eq!(parse_switch(other), None, "{other:?}");
        }
    }
}
