//! The script that the stock client goes through on both clusters. Each step finds what the steps before it have left.

use super::tables::{one_leader, same_hashes, three_healthy, three_started};

/// What makes a step right.
#[derive(Clone, Copy)]
pub enum Demand {
    /// The answer is etcd's, word for word, but for the names that cannot be equal.
    Same,
    /// Both servers refuse it, with the same sentence.
    SameRefusal,
    /// The client goes on until it is stopped; what it says until a line with these words comes is etcd's.
    SameUntil(&'static str),
    /// The answer depends on the machine; what it must look like is said by a function, on either server.
    Shape(fn(&str) -> Result<(), String>),
}

/// One command.
#[derive(Clone, Copy)]
pub struct Step {
    /// What the words after `etcdctl` are: separated by spaces; `{lease}` is the lease that was granted last.
    pub command: &'static str,
    /// What it finds on standard input.
    pub stdin: &'static str,
    /// What makes it right.
    pub demand: Demand,
}

const fn same(command: &'static str) -> Step {
    Step { command, stdin: "", demand: Demand::Same }
}

const fn fed(command: &'static str, stdin: &'static str) -> Step {
    Step { command, stdin, demand: Demand::Same }
}

const fn refused(command: &'static str) -> Step {
    Step { command, stdin: "", demand: Demand::SameRefusal }
}

const fn until(command: &'static str, words: &'static str) -> Step {
    Step { command, stdin: "", demand: Demand::SameUntil(words) }
}

const fn shape(command: &'static str, right: fn(&str) -> Result<(), String>) -> Step {
    Step { command, stdin: "", demand: Demand::Shape(right) }
}

const HOLDS: &str =
    "value(\"a\") = \"2\"\nmod(\"f/1\") > \"0\"\n\nput a 3\nget a\nput f/new made\n\nget missing\n\n";
const FAILS: &str = "create(\"a\") = \"0\"\n\nput a wrong\n\nget f/ f0\ndel f/new\n\n";
const GUARDED: &str = "version(\"nobody\") = \"0\"\n\nput nobody home\n\n\n";

/// The script.
pub const STEPS: &[Step] = &[
    // Put and get.
    same("put a 1"),
    same("put a 2 --prev-kv"),
    fed("put from-input", "several words\n"),
    same("put f/1 c"),
    same("put f/2 b"),
    same("put f/3 a"),
    same("put f/2 bb"),
    same("put g last"),
    same("get a"),
    same("get a -w json"),
    same("get a -w fields"),
    same("get missing"),
    same("get a --print-value-only"),
    same("get a --consistency=s"),
    refused("put missing --ignore-value"),
    refused("put a x --lease=77"),
    // Prefix and range, sort and limit.
    same("get --prefix f/"),
    same("get --prefix f/ --keys-only"),
    same("get --prefix f/ --limit 2 -w json"),
    same("get f/1 f/3"),
    same("get f/2 --from-key"),
    same("get --prefix f/ --order DESCEND"),
    same("get --prefix f/ --sort-by VALUE --order ASCEND"),
    same("get --prefix f/ --sort-by VERSION --order DESCEND --limit 1"),
    same("get --prefix f/ --sort-by MODIFY --order DESCEND -w json"),
    same("get --prefix f/ --sort-by CREATE --order DESCEND --keys-only"),
    same("get --prefix f/ --rev 5 -w json"),
    refused("get a --rev 99999"),
    // Transactions, as one types them.
    fed("txn --interactive", HOLDS),
    fed("txn --interactive", FAILS),
    fed("txn -i -w json", GUARDED),
    same("get --prefix f/ -w json"),
    // Deletions.
    same("del missing"),
    same("del g --prev-kv"),
    same("del f/1 f/3"),
    same("put a tail"),
    same("del --prefix f/ --prev-kv"),
    same("put w/end over"),
    // Watches from the past.
    until("watch --rev=2 --prev-kv --prefix f/", "DELETE\nf/3"),
    until("watch --rev=2 a", "tail"),
    until("watch --rev=2 --prev-kv -w json --prefix a", "dGFpbA=="),
    until("watch --rev=3 f/ x", "over"),
    // Leases.
    same("lease grant 600"),
    same("put leased/1 one --lease={lease}"),
    same("get leased/1 -w fields"),
    same("lease timetolive {lease}"),
    // With one key: etcd lists several in an order of chance.
    same("lease timetolive {lease} --keys"),
    same("put leased/2 two --lease={lease}"),
    same("lease keep-alive --once {lease}"),
    until("lease keep-alive {lease}", "keepalived"),
    same("lease list"),
    same("lease revoke {lease}"),
    same("get --prefix leased/"),
    same("lease timetolive {lease}"),
    refused("lease revoke {lease}"),
    refused("lease keep-alive --once {lease}"),
    // The cluster.
    shape("endpoint status -w table", one_leader),
    shape("endpoint health -w table", three_healthy),
    shape("member list -w table", three_started),
    shape("endpoint hashkv -w table", same_hashes),
    // Compaction.
    same("compaction 7"),
    refused("compaction 7"),
    refused("compaction 99999"),
    refused("get a --rev 3"),
    same("get f/2 --rev 8 -w json"),
    refused("watch a --rev 3"),
    same("compaction 9 --physical"),
    shape("endpoint hashkv -w table", same_hashes),
    same("get --prefix \"\" -w json"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_covers_what_the_stock_client_is_promised() {
        let promised = [
            "put ",
            "get ",
            "del ",
            "--prefix",
            "--sort-by",
            "--limit",
            "txn --interactive",
            "watch --rev=2 --prev-kv",
            "lease grant",
            "lease keep-alive",
            "lease timetolive",
            "lease revoke",
            "compaction ",
            "endpoint status -w table",
            "endpoint health -w table",
            "endpoint hashkv -w table",
            "member list",
        ];
        for words in promised {
            assert!(STEPS.iter().any(|step| step.command.contains(words)), "no step has {words:?}");
        }
    }
}
