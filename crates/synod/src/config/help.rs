//! The help text of `synod serve`, written from the catalogue: examples first, at most 80 columns wide.

use std::fmt::Write as _;

use super::catalogue;

const COLUMNS: usize = 80;
const INDENT: &str = "      ";

const HEAD: &str = "\
Serve one member of a cluster. Flags, ETCD_ variables and defaults are those
of etcd 3.5, so that a unit file needs another program name and nothing else.

Examples:
  A cluster of one, on http://localhost:2379:
      synod serve --data-dir /var/lib/synod

  The first of three:
      synod serve --name n1 --data-dir /var/lib/synod \\
        --listen-client-urls http://10.0.0.1:2379 \\
        --advertise-client-urls http://10.0.0.1:2379 \\
        --listen-peer-urls http://10.0.0.1:2380 \\
        --initial-advertise-peer-urls http://10.0.0.1:2380 \\
        --initial-cluster n1=http://10.0.0.1:2380,n2=http://10.0.0.2:2380,\\
n3=http://10.0.0.3:2380

  The same from a file, whose keys are the flags' names:
      synod serve --config-file /etc/synod.toml

Usage: synod serve [flags]

--flag value, --flag=value and -flag value mean the same; a switch takes
=true or =false. --data-dir is also ETCD_DATA_DIR, and so on for all: a flag
wins over its variable. With --config-file only the file is read.
";

/// The whole text, ending in a line feed.
pub fn text() -> String {
    let mut text = HEAD.to_owned();
    for (topic, flags) in catalogue::groups() {
        write!(text, "\n{topic}:\n").expect("writing to a string does not fail");
        for flag in flags {
            let shown = match (flag.default, flag.kind) {
                ("", _) | (_, catalogue::Kind::Switch) => format!("  --{}", flag.name),
                (default, _) => format!("  --{} [{default}]", flag.name),
            };
            writeln!(text, "{shown}").expect("writing to a string does not fail");
            push_wrapped(&mut text, flag.help);
        }
    }
    text.push_str("\nAny other flag of etcd 3.5 is refused by name, with the reason.\n");
    text
}

fn push_wrapped(text: &mut String, sentence: &str) {
    let mut line = INDENT.to_owned();
    for word in sentence.split(' ') {
        if line.len() + 1 + word.len() > COLUMNS {
            writeln!(text, "{}", line.trim_end()).expect("writing to a string does not fail");
            line = INDENT.to_owned();
        }
        line.push_str(word);
        line.push(' ');
    }
    writeln!(text, "{}", line.trim_end()).expect("writing to a string does not fail");
}

#[cfg(test)]
mod tests {
    #[test]
    fn fits_into_eighty_columns_and_names_every_flag() {
        let text = super::text();
        for line in text.lines() {
            assert!(line.chars().count() <= super::COLUMNS, "{line}");
        }
        for (_, flags) in super::catalogue::groups() {
            assert!(flags.iter().all(|flag| text.contains(&format!("  --{}", flag.name))));
        }
    }
}
