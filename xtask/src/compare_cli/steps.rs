//! The script that both programs go through. Its order matters: each step finds what the steps before have
//! left.

/// One command of the script.
pub struct Step {
    /// The words after the program's name; `{lease}` is the lease that was granted last in the simple form.
    pub words: &'static [&'static str],
    /// What it finds on standard input.
    pub stdin: &'static str,
    /// Whether it goes on until it is stopped.
    pub is_endless: bool,
    /// Whether the last line of standard error is compared.
    pub compares_error: bool,
}

const fn step(words: &'static [&'static str]) -> Step {
    Step { words, stdin: "", is_endless: false, compares_error: false }
}

/// A step that the server or the program refuses, with the same sentence.
const fn refused(words: &'static [&'static str]) -> Step {
    Step { words, stdin: "", is_endless: false, compares_error: true }
}

const fn endless(words: &'static [&'static str]) -> Step {
    Step { words, stdin: "", is_endless: true, compares_error: false }
}

const fn fed(words: &'static [&'static str], stdin: &'static str) -> Step {
    Step { words, stdin, is_endless: false, compares_error: false }
}

const TRANSACTION: &str = r#"mod("a") > "0"
value("a") != "zzz"

put a "new value" --prev-kv
get a
del nothing
get --prefix app/ --keys-only

put q 1

"#;

// Words in single quotes are left out: etcdctl 3.4 cuts them off by mistake.
const FAILING: &str = r#"create("a") = "0"

put a x

get a
put "b c" "\x41\n"

"#;

/// The script.
pub const STEPS: &[Step] = &[
    // Keys.
    step(&["put", "a", "1"]),
    step(&["put", "a", "2", "--prev-kv"]),
    step(&["put", "a", "3", "--prev-kv", "-w", "json"]),
    step(&["put", "a", "3", "--prev-kv=true", "-w", "fields"]),
    step(&["put", "b", "--", "-5"]),
    fed(&["put", "c"], "from\nstandard input\n"),
    step(&["put", "é<&>", "\t\"quoted\"\\"]),
    step(&["put", "app/1", "z"]),
    step(&["put", "app/2", "y"]),
    step(&["put", "app/3", "x"]),
    step(&["put", "app/1", "zz"]),
    step(&["put", "a", "--ignore-value", "--prev-kv"]),
    refused(&["put", "missing", "--ignore-value"]),
    refused(&["put", "a", "b", "--lease=77"]),
    refused(&["put", "a", "b", "--ignore-value"]),
    step(&["get", "a"]),
    step(&["get", "a", "-w", "json"]),
    step(&["get", "a", "-w", "fields"]),
    refused(&["get", "a", "-w", "table"]),
    refused(&["get", ""]),
    step(&["get", "missing"]),
    step(&["get", "missing", "-w", "json"]),
    step(&["get", "--prefix", ""]),
    step(&["get", "--prefix", "", "--hex"]),
    step(&["get", "--prefix", "", "-w", "fields"]),
    step(&["get", "--prefix", "", "-w", "json"]),
    step(&["get", "", "--from-key", "--keys-only"]),
    step(&["get", "app/2", "--from-key"]),
    step(&["get", "a", "b"]),
    refused(&["get", "a", "b", "--prefix"]),
    refused(&["get", "a", "--from-key", "--prefix"]),
    step(&["get", "--prefix", "app/", "--limit", "2", "-w", "json"]),
    step(&["get", "--prefix", "app/", "--order", "DESCEND"]),
    step(&["get", "--prefix", "app/", "--sort-by", "modify", "--order", "descend"]),
    step(&["get", "--prefix", "app/", "--sort-by", "VALUE", "--order", "ASCEND", "--limit=2"]),
    step(&["get", "--prefix", "app/", "--sort-by", "VERSION"]),
    step(&["get", "--prefix", "app/", "--sort-by", "CREATE", "--order=DESCEND", "--keys-only"]),
    step(&["get", "--prefix", "app/", "--print-value-only"]),
    step(&["get", "app/1", "--rev", "9"]),
    step(&["get", "a", "--consistency=s"]),
    refused(&["get", "a", "--rev", "99999"]),
    // Transactions.
    fed(&["txn"], TRANSACTION),
    fed(&["txn", "-w", "json"], TRANSACTION),
    fed(&["txn", "-w", "fields"], TRANSACTION),
    fed(&["txn"], FAILING),
    fed(&["txn", "-w", "json"], FAILING),
    step(&["txn"]),
    fed(&["txn"], "mod(\"a\") > \"0\"\n\nput a truncated\n"),
    fed(&["txn"], "nonsense\n\n\n\n"),
    fed(&["txn"], "\n\n\n"),
    fed(&["txn"], "\nput a 1\nput a 2\n\n\n"),
    // Deletions.
    step(&["del", "b", "--prev-kv"]),
    step(&["del", "missing", "-w", "json"]),
    step(&["del", "app/2", "--prev-kv", "-w", "json"]),
    step(&["del", "app/3", "--prev-kv", "-w", "fields"]),
    step(&["del", "--prefix", "app/"]),
    step(&["del", "b", "c"]),
    refused(&["del", "b", "c", "--prefix"]),
    // Watches.
    endless(&["watch", "a", "--rev", "2"]),
    endless(&["watch", "--prefix", "app/", "--rev=2", "--prev-kv"]),
    endless(&["watch", "--prefix", "app/", "--rev=2", "--prev-kv", "-w", "json"]),
    endless(&["watch", "--prefix", "app/", "--rev=2", "-w", "fields"]),
    endless(&["watch", "a", "b", "--rev=2"]),
    // Hashes, which depend on the identities of leases once there are some.
    step(&["endpoint", "hashkv", "-w", "json"]),
    step(&["endpoint", "hashkv", "--cluster"]),
    // Leases.
    step(&["lease", "grant", "1000", "-w", "json"]),
    step(&["lease", "grant", "1000", "-w", "fields"]),
    step(&["lease", "grant", "1000"]),
    step(&["put", "leased", "v", "--lease={lease}"]),
    step(&["get", "leased", "-w", "fields"]),
    step(&["lease", "timetolive", "{lease}", "--keys"]),
    step(&["lease", "timetolive", "{lease}", "-w", "json"]),
    step(&["lease", "timetolive", "{lease}", "--keys", "-w", "json"]),
    step(&["lease", "timetolive", "{lease}", "-w", "fields"]),
    step(&["lease", "timetolive", "1234"]),
    step(&["lease", "keep-alive", "--once", "{lease}"]),
    step(&["lease", "keep-alive", "--once", "{lease}", "-w", "json"]),
    endless(&["lease", "keep-alive", "{lease}"]),
    step(&["lease", "revoke", "{lease}"]),
    refused(&["lease", "revoke", "{lease}"]),
    refused(&["lease", "keep-alive", "--once", "{lease}"]),
    step(&["lease", "keep-alive", "{lease}"]),
    step(&["get", "leased"]),
    step(&["lease", "revoke", "xyz"]),
    // Members and endpoints.
    step(&["member", "list"]),
    step(&["member", "list", "-w", "table"]),
    step(&["member", "list", "-w", "json"]),
    step(&["member", "list", "-w", "fields"]),
    step(&["endpoint", "status", "-w", "table"]),
    // Compaction.
    step(&["compaction", "5"]),
    refused(&["compaction", "5"]),
    refused(&["compaction", "99999"]),
    step(&["compaction", "6", "--physical"]),
    refused(&["get", "a", "--rev", "3"]),
    refused(&["watch", "a", "--rev", "3"]),
    refused(&["watch", "a", "--rev", "3", "-w", "json"]),
];
