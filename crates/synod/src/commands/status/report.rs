//! What the members' answers mean: a verdict, a sentence, a table, a document.

use std::io::{self, Write};

use synod_server::proto::etcdserverpb::{Member, StatusResponse};

use crate::failure::Exit;
use crate::format::cluster::size;
use crate::format::json::{self, Object};
use crate::format::table::Table;

/// Version of the JSON document; raised when a field changes its meaning.
const SCHEMA: &str = "synod.status/1";

/// A member and its own answer, or why there is none.
#[derive(Debug)]
pub struct MemberStatus {
    /// The member as the cluster lists it.
    pub member: Member,
    /// Its answer.
    pub answer: Result<StatusResponse, String>,
}

/// All members and their answers.
#[derive(Debug)]
pub struct Report {
    /// The members, by name.
    pub members: Vec<MemberStatus>,
}

/// How the cluster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every member answers, one leads, no alarm is raised.
    Healthy,
    /// The cluster serves, but members are missing.
    Degraded,
    /// The cluster cannot serve, or a member raises an alarm.
    Unhealthy,
}

impl Verdict {
    /// The exit code that says the same.
    pub fn exit(self) -> Exit {
        match self {
            Self::Healthy => Exit::Fine,
            Self::Degraded => Exit::Partial,
            Self::Unhealthy => Exit::Bad,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }
}

impl Report {
    /// How the cluster is.
    pub fn verdict(&self) -> Verdict {
        if self.failures_allowed().is_none() || self.leader().is_none() || !self.alarms().is_empty() {
            Verdict::Unhealthy
        } else if self.answering().count() < self.members.len() {
            Verdict::Degraded
        } else {
            Verdict::Healthy
        }
    }

    /// How the cluster is and how many members may fail, in a sentence or two.
    pub fn sentence(&self) -> String {
        let (all, answering) = (self.members.len(), self.answering().count());
        let answer = if answering == 1 { "answers" } else { "answer" };
        let counted = format!("{answering} of {all} members {answer}");
        let alarms = match self.alarms() {
            alarms if alarms.is_empty() => String::new(),
            alarms => format!(" Alarm: {}.", alarms.join("; ")),
        };
        let standing = match (self.failures_allowed(), self.leader()) {
            (None, _) => {
                let needed = self.voters().count() / 2 + 1;
                format!("Unhealthy: {counted}, and {needed} with a vote are needed to serve.")
            }
            (Some(_), None) => format!("Unhealthy: {counted}, but none of them leads."),
            (Some(allowed), Some(leader)) => {
                let state = match self.verdict() {
                    Verdict::Healthy => "Healthy",
                    Verdict::Degraded => "Degraded",
                    Verdict::Unhealthy => "Unhealthy",
                };
                format!(
                    "{state}: {counted}, {} leads; {}.",
                    self.name_of(leader),
                    may_fail(allowed, all - answering)
                )
            }
        };
        standing + &alarms
    }

    /// Writes the sentence and the members, in columns or with borders.
    pub fn write(&self, out: &mut dyn Write, with_borders: bool) -> io::Result<()> {
        writeln!(out, "{}\n", self.sentence())?;
        let table = self.table();
        if with_borders { table.write(out) } else { table.write_plain(out) }
    }

    /// The JSON document.
    pub fn to_json(&self) -> String {
        let cluster =
            self.answering().find_map(|(_, status)| status.header.as_ref()).map_or(0, |h| h.cluster_id);
        let leader = self.leader().map_or("null".into(), |id| json::string(&format!("{id:x}")));
        let allowed = self.failures_allowed().map_or("null".into(), |count| count.to_string());
        Object::new()
            .text("schema", SCHEMA)
            .text("health", self.verdict().name())
            .text("sentence", &self.sentence())
            .text("cluster_id", &format!("{cluster:x}"))
            .raw("leader", &leader)
            .number_always("voters", self.voters().count() as u64)
            .number_always("answering", self.answering().count() as u64)
            .raw("failures_allowed", &allowed)
            .raw("members", &json::list(self.members.iter().map(|member| self.member_json(member))))
            .finish()
    }

    fn voters(&self) -> impl Iterator<Item = &MemberStatus> {
        self.members.iter().filter(|member| !member.member.is_learner)
    }

    fn answering(&self) -> impl Iterator<Item = (&Member, &StatusResponse)> {
        self.members.iter().filter_map(|member| Some((&member.member, member.answer.as_ref().ok()?)))
    }

    /// How many more voters may fail before no majority is left; `None` if none is left already.
    fn failures_allowed(&self) -> Option<usize> {
        let majority = self.voters().count() / 2 + 1;
        self.voters().filter(|member| member.answer.is_ok()).count().checked_sub(majority)
    }

    /// The leader by the newest term that anyone knows, if it answers itself.
    fn leader(&self) -> Option<u64> {
        let newest =
            self.answering().filter(|(_, status)| status.leader != 0).max_by_key(|(_, s)| s.raft_term)?;
        let leader = newest.1.leader;
        self.answering().any(|(member, _)| member.id == leader).then_some(leader)
    }

    fn name_of(&self, id: u64) -> String {
        let member = self.members.iter().find(|member| member.member.id == id);
        member.map_or_else(|| format!("{id:x}"), |member| name(&member.member))
    }

    fn alarms(&self) -> Vec<String> {
        let raised = self.answering().filter(|(_, status)| !status.errors.is_empty());
        raised
            .map(|(member, status)| format!("{} reports {}", name(member), status.errors.join(", ")))
            .collect()
    }

    /// Highest log index that anyone knows to be committed.
    fn newest_index(&self) -> u64 {
        self.answering().map(|(_, status)| status.raft_index).max().unwrap_or(0)
    }

    fn role(&self, member: &MemberStatus) -> &'static str {
        match &member.answer {
            Err(_) => "no answer",
            Ok(_) if member.member.is_learner => "learner",
            Ok(_) if self.leader() == Some(member.member.id) => "leader",
            Ok(_) => "follower",
        }
    }

    fn table(&self) -> Table {
        let mut table = Table::new(&[
            "member", "role", "endpoint", "term", "applied", "behind", "size", "version", "note",
        ]);
        for member in &self.members {
            let endpoint = member.member.client_ur_ls.first().cloned().unwrap_or_default();
            let mut row = vec![name(&member.member), self.role(member).to_owned(), endpoint];
            match &member.answer {
                Ok(status) => row.extend([
                    status.raft_term.to_string(),
                    status.raft_applied_index.to_string(),
                    self.newest_index().saturating_sub(status.raft_applied_index).to_string(),
                    size(status.db_size),
                    status.version.clone(),
                    status.errors.join(", "),
                ]),
                Err(reason) => {
                    row.extend(std::iter::repeat_n("-".to_owned(), 5));
                    row.push(reason.clone());
                }
            }
            table.push(row);
        }
        table
    }

    fn member_json(&self, member: &MemberStatus) -> String {
        let strings = |texts: &[String]| json::list(texts.iter().map(|text| json::string(text)));
        let fields = Object::new()
            .text("id", &format!("{:x}", member.member.id))
            .text("name", &member.member.name)
            .raw("endpoints", &strings(&member.member.client_ur_ls))
            .text("role", self.role(member));
        match &member.answer {
            Err(reason) => fields.text("reason", reason),
            Ok(status) => fields
                .number_always("term", status.raft_term)
                .number_always("index", status.raft_index)
                .number_always("applied", status.raft_applied_index)
                .number_always("behind", self.newest_index().saturating_sub(status.raft_applied_index))
                .number_always("size_bytes", status.db_size)
                .text("version", &status.version)
                .raw("errors", &strings(&status.errors)),
        }
        .finish()
    }
}

fn name(member: &Member) -> String {
    if member.name.is_empty() { format!("{:x}", member.id) } else { member.name.clone() }
}

fn may_fail(allowed: usize, missing: usize) -> String {
    let more = if missing > 0 { "more " } else { "" };
    match allowed {
        0 => format!("no {more}member may fail"),
        1 => format!("1 {more}member may fail"),
        many => format!("{many} {more}members may fail"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use synod_server::proto::etcdserverpb::ResponseHeader;

    fn member(id: u64, answer: Result<StatusResponse, String>) -> MemberStatus {
        let member = Member {
            id,
            name: format!("n{id}"),
            client_ur_ls: vec![format!("http://10.0.0.{id}:2379")],
            ..Member::default()
        };
        MemberStatus { member, answer }
    }

    fn status(id: u64, leader: u64) -> Result<StatusResponse, String> {
        Ok(StatusResponse {
            header: Some(ResponseHeader { cluster_id: 0xc, member_id: id, revision: 9, raft_term: 2 }),
            version: "3.5.16".into(),
            db_size: 20_480,
            leader,
            raft_index: 40 - id,
            raft_term: 2,
            raft_applied_index: 40 - id,
            ..StatusResponse::default()
        })
    }

    fn silent() -> Result<StatusResponse, String> {
        Err("Connection refused".into())
    }

    fn three(answers: [Result<StatusResponse, String>; 3]) -> Report {
        Report { members: answers.into_iter().zip(1..).map(|(answer, id)| member(id, answer)).collect() }
    }

    #[test]
    fn the_sentence_says_how_many_may_fail() {
        let table = [
            (
                three([status(1, 1), status(2, 1), status(3, 1)]),
                "Healthy: 3 of 3 members answer, n1 leads; 1 member may fail.",
                Exit::Fine,
            ),
            (
                three([status(1, 1), status(2, 1), silent()]),
                "Degraded: 2 of 3 members answer, n1 leads; no more member may fail.",
                Exit::Partial,
            ),
            (
                three([status(1, 1), silent(), silent()]),
                "Unhealthy: 1 of 3 members answers, and 2 with a vote are needed to serve.",
                Exit::Bad,
            ),
            (
                three([status(1, 0), status(2, 0), status(3, 0)]),
                "Unhealthy: 3 of 3 members answer, but none of them leads.",
                Exit::Bad,
            ),
            (
                three([silent(), status(2, 1), status(3, 1)]),
                "Unhealthy: 2 of 3 members answer, but none of them leads.",
                Exit::Bad,
            ),
        ];
        for (report, sentence, exit) in table {
            assert_eq!(report.sentence(), sentence);
            assert_eq!(report.verdict().exit(), exit, "{sentence}");
        }
    }

    #[test]
    fn alarms_are_bad_and_learners_do_not_count() {
        let mut report = three([status(1, 1), status(2, 1), silent()]);
        report.members[2].member.is_learner = true;
        assert_eq!(report.verdict(), Verdict::Degraded);
        assert!(report.sentence().ends_with("no more member may fail."), "{}", report.sentence());
        report.members[1].answer.as_mut().expect("answered").errors = vec!["alarm:NOSPACE".into()];
        assert_eq!(report.verdict(), Verdict::Unhealthy);
        assert!(report.sentence().ends_with(" Alarm: n2 reports alarm:NOSPACE."), "{}", report.sentence());
    }

    #[test]
    fn unreachable_members_stay_in_the_table() {
        let mut out = Vec::new();
        three([status(1, 1), status(2, 1), silent()]).write(&mut out, false).expect("written");
        assert_eq!(
            String::from_utf8(out).expect("text"),
            "\
Degraded: 2 of 3 members answer, n1 leads; no more member may fail.

MEMBER  ROLE       ENDPOINT              TERM  APPLIED  BEHIND  SIZE   VERSION  NOTE
n1      leader     http://10.0.0.1:2379  2     39       0       20 kB  3.5.16
n2      follower   http://10.0.0.2:2379  2     38       1       20 kB  3.5.16
n3      no answer  http://10.0.0.3:2379  -     -        -       -      -        Connection refused
"
        );
    }

    #[test]
    fn the_document_says_the_same() {
        let json = three([status(1, 1), status(2, 1), silent()]).to_json();
        assert_eq!(
            json,
            concat!(
                r#"{"schema":"synod.status/1","health":"degraded","#,
                r#""sentence":"Degraded: 2 of 3 members answer, n1 leads; no more member may fail.","#,
                r#""cluster_id":"c","leader":"1","voters":3,"answering":2,"failures_allowed":0,"members":["#,
                r#"{"id":"1","name":"n1","endpoints":["http://10.0.0.1:2379"],"role":"leader","term":2,"index":39,"#,
                r#""applied":39,"behind":0,"size_bytes":20480,"version":"3.5.16","errors":[]},"#,
                r#"{"id":"2","name":"n2","endpoints":["http://10.0.0.2:2379"],"role":"follower","term":2,"index":38,"#,
                r#""applied":38,"behind":1,"size_bytes":20480,"version":"3.5.16","errors":[]},"#,
                r#"{"id":"3","name":"n3","endpoints":["http://10.0.0.3:2379"],"role":"no answer","#,
                r#""reason":"Connection refused"}]}"#
            )
        );
    }
}
