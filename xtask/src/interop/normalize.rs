//! Names that cannot be equal on two clusters, made equal.
//!
//! Identities are drawn or computed by each cluster for itself, and terms and remaining seconds depend on time. What
//! is replaced is recognized by its place in the client's output and by nothing else: a revision, a version or a count that
//! is wrong stays visible.

/// What the client says of the identities of one cluster, as far as it is known.
#[derive(Debug, Default)]
pub struct Names {
    /// The lease that was granted last, in hexadecimal.
    lease: Option<String>,
}

/// Fields of JSON and of `-w fields` whose numbers are the cluster's own.
const OWN_FIELDS: [&str; 4] = ["cluster_id", "member_id", "raft_term", "lease"];
const OWN_FIELD_NAMES: [&str; 4] = ["ClusterID", "MemberID", "RaftTerm", "Lease"];

impl Names {
    /// Replaces what stands for a name in a command.
    pub fn fill_in(&self, word: &str) -> String {
        let word = if word == "\"\"" { "" } else { word };
        word.replace("{lease}", self.lease.as_deref().unwrap_or("0"))
    }

    /// Takes note of a lease that was granted.
    pub fn learn(&mut self, output: &str) {
        let words: Vec<&str> = output.split_whitespace().collect();
        if let ["lease", id, "granted", "with", ..] = words.as_slice()
            && !output.contains("remaining")
        {
            self.lease = Some((*id).to_owned());
        }
    }

    /// The output with equal names.
    pub fn make_equal(&self, output: &str) -> String {
        let mut output = output.to_owned();
        if let Some(lease) = &self.lease {
            output = output.replace(lease.as_str(), "LEASE");
        }
        for field in OWN_FIELDS {
            output = replace_numbers(&output, &format!("\"{field}\":"), "");
        }
        for field in OWN_FIELD_NAMES {
            output = replace_numbers(&output, &format!("\"{field}\" : "), "");
        }
        output = replace_numbers(&output, "remaining(", "s)");
        without_time(&output)
    }
}

/// Replaces each number between the two texts by a letter.
fn replace_numbers(text: &str, before: &str, after: &str) -> String {
    let mut parts = text.split(before);
    let mut replaced = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let is_own = digits > 0 && part[digits..].starts_with(after) && part[..digits] != *"0";
        replaced.push_str(before);
        replaced.push_str(if is_own { "N" } else { &part[..digits] });
        replaced.push_str(&part[digits..]);
    }
    replaced
}

/// The client's own log lines begin with a time and name their target; the sentence in them is what counts.
fn without_time(text: &str) -> String {
    if !text.starts_with("{\"level\"") {
        return text.to_owned();
    }
    text.split_once("\"error\":").map_or(text, |(_, error)| error).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_names_of_the_cluster_are_made_equal() {
        let mut names = Names::default();
        names.learn("lease 694d81417acd4754 granted with TTL(600s)\n");
        assert_eq!(names.fill_in("--lease={lease}"), "--lease=694d81417acd4754");
        assert_eq!(
            names.make_equal("lease 694d81417acd4754 granted with TTL(600s), remaining(599s)"),
            "lease LEASE granted with TTL(600s), remaining(Ns)"
        );
        let json =
            "{\"header\":{\"cluster_id\":12,\"member_id\":3,\"revision\":7,\"raft_term\":2},\"count\":4}";
        let equal =
            "{\"header\":{\"cluster_id\":N,\"member_id\":N,\"revision\":7,\"raft_term\":N},\"count\":4}";
        assert_eq!(names.make_equal(json), equal);
        assert_eq!(names.make_equal("\"Lease\" : 0\n\"Version\" : 3"), "\"Lease\" : 0\n\"Version\" : 3");
    }

    #[test]
    fn the_absence_of_a_lease_is_not_made_equal_to_a_lease() {
        let names = Names::default();
        assert_ne!(names.make_equal("\"lease\":0"), names.make_equal("\"lease\":7"));
    }
}
