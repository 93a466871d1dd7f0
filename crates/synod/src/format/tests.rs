//! Every answer in every form, against text as `etcdctl` writes it.

use bytes::Bytes;
use synod_server::proto::etcdserverpb::response_op::Response;
use synod_server::proto::etcdserverpb::*;
use synod_server::proto::mvccpb::event::EventType;
use synod_server::proto::mvccpb::{Event, KeyValue};

use super::cluster::{EndpointHashes, EndpointHealth, EndpointHealths, EndpointStatuses, size};
use super::lease::{Revoked, TimeToLive};
use super::*;

fn written(answer: &impl Answer, format: Format) -> String {
    styled(answer, format, Style::default())
}

fn styled(answer: &impl Answer, format: Format, style: Style) -> String {
    let mut out = Vec::new();
    Printer::new(&mut out, format, style).print(answer).expect("the form exists");
    String::from_utf8_lossy(&out).into_owned()
}

fn header(revision: i64) -> Option<ResponseHeader> {
    Some(ResponseHeader { cluster_id: 10_144_879_847_569_953_045, member_id: 7, revision, raft_term: 2 })
}

fn kv(value: &'static [u8]) -> KeyValue {
    KeyValue {
        key: Bytes::from_static(b"a"),
        create_revision: 2,
        mod_revision: 5,
        version: 3,
        value: Bytes::from_static(value),
        lease: 0,
    }
}

const HEADER_JSON: &str = r#""cluster_id":10144879847569953045,"member_id":7,"revision":5,"raft_term":2"#;
const HEADER_FIELDS: &str =
    "\"ClusterID\" : 10144879847569953045\n\"MemberID\" : 7\n\"Revision\" : 5\n\"RaftTerm\" : 2\n";
const KV_JSON: &str = r#"{"key":"YQ==","create_revision":2,"mod_revision":5,"version":3,"value":"Mw=="}"#;

fn kv_fields(prefix: &str) -> String {
    format!(
        "\"{prefix}Key\" : \"a\"\n\"{prefix}CreateRevision\" : 2\n\"{prefix}ModRevision\" : 5\n\
         \"{prefix}Version\" : 3\n\"{prefix}Value\" : \"3\"\n\"{prefix}Lease\" : 0\n"
    )
}

#[test]
fn ranges() {
    let range = RangeResponse { header: header(5), kvs: vec![kv(b"3")], more: true, count: 4 };
    assert_eq!(written(&range, Format::Simple), "a\n3\n");
    assert_eq!(
        written(&range, Format::Json),
        format!("{{\"header\":{{{HEADER_JSON}}},\"kvs\":[{KV_JSON}],\"more\":true,\"count\":4}}\n")
    );
    let fields = format!("{HEADER_FIELDS}{}\"More\" : true\n\"Count\" : 4\n", kv_fields(""));
    assert_eq!(written(&range, Format::Fields), fields);
    let values_only = Style { values_only: true, ..Style::default() };
    assert_eq!(styled(&range, Format::Simple, values_only), "3\n");
    let hexadecimal = Style { is_hexadecimal: true, ..Style::default() };
    let odd = RangeResponse { kvs: vec![kv(b"x\xff\n")], ..range };
    assert_eq!(styled(&odd, Format::Simple, hexadecimal), "\\x61\n\\x78\\xff\\x0a\n");
    let nothing = RangeResponse { header: header(5), ..RangeResponse::default() };
    assert_eq!(written(&nothing, Format::Json), format!("{{\"header\":{{{HEADER_JSON}}}}}\n"));
    let leased = KeyValue { lease: 9, ..kv(b"") };
    assert!(keys::key_value_json(&leased).ends_with(r#""version":3,"lease":9}"#));
}

#[test]
fn keys_and_values_are_written_as_bytes() {
    let mut out = Vec::new();
    let range = RangeResponse { kvs: vec![kv(b"x\xff")], ..RangeResponse::default() };
    Printer::new(&mut out, Format::Simple, Style::default()).print(&range).expect("written");
    assert_eq!(out, b"a\nx\xff\n");
}

#[test]
fn puts_and_deletions() {
    let put = PutResponse { header: header(5), prev_kv: Some(kv(b"3")) };
    assert_eq!(written(&put, Format::Simple), "OK\na\n3\n");
    assert_eq!(
        written(&put, Format::Json),
        format!("{{\"header\":{{{HEADER_JSON}}},\"prev_kv\":{KV_JSON}}}\n")
    );
    assert_eq!(written(&put, Format::Fields), format!("{HEADER_FIELDS}{}", kv_fields("Prev")));
    let delete = DeleteRangeResponse { header: header(5), deleted: 1, prev_kvs: vec![kv(b"3")] };
    assert_eq!(written(&delete, Format::Simple), "1\na\n3\n");
    assert_eq!(
        written(&delete, Format::Json),
        format!("{{\"header\":{{{HEADER_JSON}}},\"deleted\":1,\"prev_kvs\":[{KV_JSON}]}}\n")
    );
    let fields = format!("{HEADER_FIELDS}\"Deleted\" : 1\n{}", kv_fields("Prev"));
    assert_eq!(written(&delete, Format::Fields), fields);
}

#[test]
fn transactions() {
    let inner = Some(ResponseHeader { revision: 5, ..ResponseHeader::default() });
    let op = |response| ResponseOp { response: Some(response) };
    let transaction = TxnResponse {
        header: header(5),
        succeeded: true,
        responses: vec![
            op(Response::ResponsePut(PutResponse { header: inner, prev_kv: None })),
            op(Response::ResponseRange(RangeResponse {
                header: inner,
                kvs: vec![kv(b"3")],
                more: false,
                count: 1,
            })),
            op(Response::ResponseDeleteRange(DeleteRangeResponse { header: inner, ..Default::default() })),
        ],
    };
    assert_eq!(written(&transaction, Format::Simple), "SUCCESS\n\nOK\n\na\n3\n\n0\n");
    assert_eq!(
        written(&transaction, Format::Json),
        format!(
            "{{\"header\":{{{HEADER_JSON}}},\"succeeded\":true,\"responses\":[\
             {{\"Response\":{{\"response_put\":{{\"header\":{{\"revision\":5}}}}}}}},\
             {{\"Response\":{{\"response_range\":{{\"header\":{{\"revision\":5}},\"kvs\":[{KV_JSON}],\"count\":1}}}}}},\
             {{\"Response\":{{\"response_delete_range\":{{\"header\":{{\"revision\":5}}}}}}}}]}}\n"
        )
    );
    let inner_fields = "\"ClusterID\" : 0\n\"MemberID\" : 0\n\"Revision\" : 5\n\"RaftTerm\" : 0\n";
    assert_eq!(
        written(&transaction, Format::Fields),
        format!(
            "{HEADER_FIELDS}\"Succeeded\" : true\n{inner_fields}{inner_fields}{}\"More\" : false\n\"Count\" : 1\n\
             {inner_fields}\"Deleted\" : 0\n",
            kv_fields("")
        )
    );
    let failed = TxnResponse { header: header(5), ..TxnResponse::default() };
    assert_eq!(written(&failed, Format::Simple), "FAILURE\n");
    assert_eq!(written(&failed, Format::Json), format!("{{\"header\":{{{HEADER_JSON}}}}}\n"));
}

#[test]
fn watches() {
    let gone = KeyValue { key: Bytes::from_static(b"a"), mod_revision: 6, ..KeyValue::default() };
    let events = vec![
        Event { r#type: EventType::Put.into(), kv: Some(kv(b"3")), prev_kv: None },
        Event { r#type: EventType::Delete.into(), kv: Some(gone), prev_kv: Some(kv(b"3")) },
    ];
    let answer = WatchResponse { header: header(5), events, ..WatchResponse::default() };
    assert_eq!(written(&answer, Format::Simple), "PUT\na\n3\nDELETE\na\n3\na\n\n");
    assert_eq!(
        written(&answer, Format::Json),
        format!(
            "{{\"Header\":{{{HEADER_JSON}}},\"Events\":[{{\"kv\":{KV_JSON}}},\
             {{\"type\":1,\"kv\":{{\"key\":\"YQ==\",\"mod_revision\":6}},\"prev_kv\":{KV_JSON}}}],\
             \"CompactRevision\":0,\"Canceled\":false,\"Created\":false}}\n"
        )
    );
    let fields = written(&answer, Format::Fields);
    assert!(fields.starts_with(&format!("{HEADER_FIELDS}\"Type\" : PUT\n\"Key\" : \"a\"\n")), "{fields}");
    assert!(fields.contains("\"Type\" : DELETE\n\"PrevKey\" : \"a\"\n"), "{fields}");
    let canceled = WatchResponse { canceled: true, compact_revision: 24, ..WatchResponse::default() };
    assert_eq!(
        written(&canceled, Format::Json),
        "{\"Header\":{},\"Events\":[],\"CompactRevision\":24,\"Canceled\":true,\"Created\":false}\n"
    );
    assert!(!watch::is_progress(&canceled) && !watch::is_progress(&answer));
    assert!(watch::is_progress(&WatchResponse { header: header(5), ..WatchResponse::default() }));
}

#[test]
fn leases() {
    let grant = LeaseGrantResponse { header: header(5), id: 0x1f, ttl: 100, error: String::new() };
    assert_eq!(written(&grant, Format::Simple), "lease 000000000000001f granted with TTL(100s)\n");
    assert_eq!(
        written(&grant, Format::Json),
        format!("{{{HEADER_JSON},\"ID\":31,\"TTL\":100,\"Error\":\"\"}}\n")
    );
    assert_eq!(written(&grant, Format::Fields), format!("{HEADER_FIELDS}\"ID\" : 31\n\"TTL\" : 100\n"));
    let revoked = Revoked { id: 0x1f, answer: LeaseRevokeResponse { header: header(5) } };
    assert_eq!(written(&revoked, Format::Simple), "lease 000000000000001f revoked\n");
    assert_eq!(written(&revoked, Format::Json), format!("{{\"header\":{{{HEADER_JSON}}}}}\n"));
    assert_eq!(written(&revoked, Format::Fields), HEADER_FIELDS);
    let renewed = LeaseKeepAliveResponse { header: header(5), id: 0x1f, ttl: 100 };
    assert_eq!(written(&renewed, Format::Simple), "lease 000000000000001f keepalived with TTL(100)\n");
    assert_eq!(written(&renewed, Format::Json), format!("{{{HEADER_JSON},\"ID\":31,\"TTL\":100}}\n"));
    let leases = LeaseLeasesResponse { header: header(5), leases: vec![LeaseStatus { id: 0x1f }] };
    assert_eq!(written(&leases, Format::Simple), "found 1 leases\n000000000000001f\n");
    assert_eq!(written(&leases, Format::Json), format!("{{{HEADER_JSON},\"leases\":[{{\"id\":31}}]}}\n"));
    assert_eq!(written(&leases, Format::Fields), format!("{HEADER_FIELDS}\"ID\" : 31\n"));
}

#[test]
fn what_remains_of_a_lease() {
    let answer = LeaseTimeToLiveResponse {
        header: header(5),
        id: 0x1f,
        ttl: 99,
        granted_ttl: 100,
        keys: vec![Bytes::from_static(b"k1"), Bytes::from_static(b"k2")],
    };
    let with_keys = TimeToLive { answer: answer.clone(), with_keys: true };
    assert_eq!(
        written(&with_keys, Format::Simple),
        "lease 000000000000001f granted with TTL(100s), remaining(99s), attached keys([k1 k2])\n"
    );
    assert_eq!(
        written(&with_keys, Format::Json),
        format!("{{{HEADER_JSON},\"id\":31,\"ttl\":99,\"granted-ttl\":100,\"keys\":[\"azE=\",\"azI=\"]}}\n")
    );
    assert!(
        written(&with_keys, Format::Fields)
            .ends_with("\"GrantedTTL\" : 100\n\"Key\" : \"k1\"\n\"Key\" : \"k2\"\n")
    );
    let expired = LeaseTimeToLiveResponse { ttl: -1, granted_ttl: 0, keys: vec![], ..answer };
    let expired = TimeToLive { answer: expired, with_keys: false };
    assert_eq!(written(&expired, Format::Simple), "lease 000000000000001f already expired\n");
    assert!(written(&expired, Format::Json).ends_with("\"ttl\":-1,\"granted-ttl\":0,\"keys\":null}\n"));
}

#[test]
fn members() {
    let member = Member {
        id: 0xac7c_97ef_0ec1_93b0,
        name: "n1".into(),
        peer_ur_ls: vec!["http://127.0.0.1:23791".into()],
        client_ur_ls: vec!["http://127.0.0.1:23790".into()],
        is_learner: false,
    };
    let unstarted =
        Member { id: 1, peer_ur_ls: vec!["http://b:1".into()], is_learner: true, ..Member::default() };
    let list = MemberListResponse { header: header(5), members: vec![member.clone(), unstarted] };
    assert_eq!(
        written(&list, Format::Simple),
        "ac7c97ef0ec193b0, started, n1, http://127.0.0.1:23791, http://127.0.0.1:23790, false\n\
         1, unstarted, , http://b:1, , true\n"
    );
    let one = MemberListResponse { header: header(5), members: vec![member] };
    assert_eq!(
        written(&one, Format::Json),
        format!(
            "{{\"header\":{{{HEADER_JSON}}},\"members\":[{{\"ID\":12428976124636271536,\"name\":\"n1\",\
             \"peerURLs\":[\"http://127.0.0.1:23791\"],\"clientURLs\":[\"http://127.0.0.1:23790\"]}}]}}\n"
        )
    );
    assert_eq!(
        written(&one, Format::Fields),
        format!(
            "{HEADER_FIELDS}\"ID\" : 12428976124636271536\n\"Name\" : \"n1\"\n\"PeerURL\" : \"http://127.0.0.1:23791\"\n\
             \"ClientURL\" : \"http://127.0.0.1:23790\"\n\"IsLearner\" : false\n\n"
        )
    );
    assert_eq!(
        written(&one, Format::Table),
        "\
+------------------+---------+------+------------------------+------------------------+------------+
|        ID        | STATUS  | NAME |       PEER ADDRS       |      CLIENT ADDRS      | IS LEARNER |
+------------------+---------+------+------------------------+------------------------+------------+
| ac7c97ef0ec193b0 | started |   n1 | http://127.0.0.1:23791 | http://127.0.0.1:23790 |      false |
+------------------+---------+------+------------------------+------------------------+------------+
"
    );
}

#[test]
fn endpoints() {
    let status = StatusResponse {
        header: header(5),
        version: "3.5.16".into(),
        db_size: 20_480,
        leader: 7,
        raft_index: 38,
        raft_term: 2,
        raft_applied_index: 37,
        db_size_in_use: 4096,
        ..StatusResponse::default()
    };
    let statuses = EndpointStatuses(vec![("127.0.0.1:23790".into(), status)]);
    assert_eq!(
        written(&statuses, Format::Simple),
        "127.0.0.1:23790, 7, 3.5.16, 20 kB, true, false, 2, 38, 37, \n"
    );
    assert_eq!(
        written(&statuses, Format::Json),
        format!(
            "[{{\"Endpoint\":\"127.0.0.1:23790\",\"Status\":{{\"header\":{{{HEADER_JSON}}},\"version\":\"3.5.16\",\
             \"dbSize\":20480,\"leader\":7,\"raftIndex\":38,\"raftTerm\":2,\"raftAppliedIndex\":37,\
             \"dbSizeInUse\":4096}}}}]\n"
        )
    );
    assert!(
        written(&statuses, Format::Fields)
            .ends_with("\"Errors\" : []\n\"Endpoint\" : \"127.0.0.1:23790\"\n\n")
    );
    let healths = EndpointHealths(vec![EndpointHealth {
        endpoint: "127.0.0.1:23790".into(),
        took: std::time::Duration::from_nanos(1_117_394),
        error: String::new(),
    }]);
    assert_eq!(
        written(&healths, Format::Table),
        "\
+-----------------+--------+------------+-------+
|    ENDPOINT     | HEALTH |    TOOK    | ERROR |
+-----------------+--------+------------+-------+
| 127.0.0.1:23790 |   true | 1.117394ms |       |
+-----------------+--------+------------+-------+
"
    );
    assert_eq!(
        written(&healths, Format::Simple),
        "127.0.0.1:23790 is healthy: successfully committed proposal: took = 1.117394ms\n"
    );
    let hash = HashKvResponse { header: header(5), hash: 1_105_756, compact_revision: -1, hash_revision: 5 };
    let hashes = EndpointHashes(vec![("127.0.0.1:23790".into(), hash)]);
    assert_eq!(written(&hashes, Format::Simple), "127.0.0.1:23790, 1105756\n");
    assert!(written(&hashes, Format::Table).contains("|    ENDPOINT     |  HASH   |\n"));
}

#[test]
fn tables_exist_for_members_and_endpoints_only() {
    let mut out = Vec::new();
    let failure = Printer::new(&mut out, Format::Table, Style::default()).print(&RangeResponse::default());
    let failure = failure.expect_err("no table");
    assert_eq!(failure.sentence.as_deref(), Some("table not supported as output format"));
    assert!(out.is_empty());
}

#[test]
fn a_reader_that_left_is_no_error() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let put = PutResponse::default();
    let failure = Printer::new(Gone, Format::Simple, Style::default()).print(&put).expect_err("gone");
    assert_eq!(failure, Failure { exit: crate::failure::Exit::Fine, sentence: None });
}

#[test]
fn sizes() {
    let table = [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1_550, "1.6 kB"),
        (9_949, "9.9 kB"),
        (20_480, "20 kB"),
        (12_500, "12 kB"),
        (13_500, "14 kB"),
        (999_950, "1000 kB"),
        (1_500_000_000, "1.5 GB"),
        (i64::MAX, "9.2 EB"),
        (-1, "0 B"),
    ];
    for (bytes, text) in table {
        assert_eq!(size(bytes), text, "{bytes}");
    }
}
