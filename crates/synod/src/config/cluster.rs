//! The founding members of a cluster, and the identities that follow from them.
//!
//! Members that are founded together must agree on who they are before they have spoken. So a member's
//! identity is a hash of its peer URLs and the cluster's token, and the cluster's a hash of its members':
//! whoever was given the same `--initial-cluster` and the same token computes the same numbers, and a member
//! of another cluster computes others. etcd derives them in the same way by SHA-1; here it is XXH3 with a
//! domain in front. The hash guards against mistakes, not against an adversary: for that there are
//! certificates.
//!
//! The derivation is part of what is stored and sent: changing it parts a new binary from its old cluster. A
//! test pins it.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

use super::urls::{self, Url};

/// A founding member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitialMember {
    /// Its identity, never zero.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Its peer URLs, sorted.
    pub peer_urls: Vec<Url>,
}

/// Most founding members; a group with more votes is slower and not safer.
pub const MEMBERS_MAX: usize = 63;

/// Reads `name=URL,name=URL`; a name may stand several times, once for each of its URLs. The error says what
/// was expected.
pub fn parse_members(text: &str, token: &str) -> Result<Vec<InitialMember>, String> {
    const EXPECTED: &str = "members as name=URL separated by commas, such as n1=http://10.0.0.1:2380";
    let mut by_name: BTreeMap<&str, Vec<Url>> = BTreeMap::new();
    let mut names = BTreeMap::new();
    for pair in text.split(',').map(str::trim) {
        let (name, url) = pair.split_once('=').ok_or_else(|| format!("{EXPECTED}; {pair:?} has no ="))?;
        if name.is_empty() {
            return Err(format!("{EXPECTED}; {pair:?} has no name"));
        }
        let url = Url::parse(url)?;
        if let Some(other) = names.insert(url.to_string(), name).filter(|other| *other != name) {
            return Err(format!("every member to have peer URLs of its own; {other} and {name} share {url}"));
        }
        by_name.entry(name).or_default().push(url);
    }
    if by_name.len() > MEMBERS_MAX {
        return Err(format!("at most {MEMBERS_MAX} members; there are {}", by_name.len()));
    }
    let member = |(name, mut peer_urls): (&str, Vec<Url>)| {
        peer_urls.sort();
        peer_urls.dedup();
        InitialMember { id: member_id(&peer_urls, token), name: name.to_owned(), peer_urls }
    };
    Ok(by_name.into_iter().map(member).collect())
}

/// The identity of the member with these peer URLs (sorted) in the cluster with this token; never zero.
pub fn member_id(peer_urls: &[Url], token: &str) -> u64 {
    derived("synod member 1", &[&urls::join(peer_urls), token])
}

/// The identity of the cluster of these members; never zero. Their order does not matter.
pub fn cluster_id(members: &[InitialMember], token: &str) -> u64 {
    let mut ids: Vec<String> = members.iter().map(|member| format!("{:016x}", member.id)).collect();
    ids.sort_unstable();
    derived("synod cluster 1", &[&ids.join(","), token])
}

/// Zero means "nobody" to clients and to consensus, so the one text in 2^64 that hashes to it becomes 1.
fn derived(domain: &str, parts: &[&str]) -> u64 {
    let mut text = domain.to_owned();
    for part in parts {
        text.push('\0');
        text.push_str(part);
    }
    xxh3_64(text.as_bytes()).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREE: &str = "n1=http://10.0.0.1:2380,n2=http://10.0.0.2:2380,n3=http://10.0.0.3:2380";

    #[test]
    fn identities_depend_on_urls_and_token_alone() {
        let members = parse_members(THREE, "t").expect("valid");
        let turned =
            parse_members("c=http://10.0.0.3:2380,a=http://10.0.0.1:2380,b=http://10.0.0.2:2380", "t")
                .expect("valid");
        let ids = |members: &[InitialMember]| members.iter().map(|member| member.id).collect::<Vec<_>>();
        assert_eq!(ids(&members), ids(&turned));
        assert_eq!(cluster_id(&members, "t"), cluster_id(&turned, "t"));
        let other = parse_members(THREE, "u").expect("valid");
        assert_ne!(ids(&members), ids(&other));
        assert_ne!(cluster_id(&members, "t"), cluster_id(&other, "u"));
    }

    #[test]
    fn the_derivation_is_pinned() {
        let members = parse_members(THREE, "etcd-cluster").expect("valid");
        let ids = members.iter().map(|member| format!("{:016x}", member.id)).collect::<Vec<_>>();
        assert_eq!(ids, ["8745a5834ba53da5", "44b7978cf0565ccb", "2f189111e6d7fa08"]);
        assert_eq!(format!("{:016x}", cluster_id(&members, "etcd-cluster")), "65b405513d72bc76");
    }

    #[test]
    fn a_name_may_have_several_urls_but_no_url_two_names() {
        let members = parse_members("a=http://b:2,a=http://a:1", "t").expect("valid");
        assert_eq!(urls::join(&members[0].peer_urls), "http://a:1,http://b:2");
        assert!(parse_members("a=http://a:1,b=http://a:1", "t").expect_err("shared").contains("share"));
        assert!(parse_members("http://a:1", "t").expect_err("no name").contains("has no ="));
        assert!(parse_members("=http://a:1", "t").expect_err("empty").contains("no name"));
        assert!(parse_members("", "t").is_err());
    }
}
