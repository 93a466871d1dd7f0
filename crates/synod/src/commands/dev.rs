//! `synod dev`: a cluster in one process, on this machine, to try and to develop against.
//!
//! Its members are as separate as processes would be: stores of their own, real sockets between them. Member
//! i (from 0) serves clients on the port P + 2i and other members on P + 2i + 1, where P is the port of
//! `--listen`.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::config::serve::{LogLevel, ServeConfig};
use crate::config::settings::{ConfigError, Origin, Setting, Settings};
use crate::config::urls;
use crate::failure::{Exit, Failure};
use crate::note;
use crate::serving::{self, Stop};

const EXAMPLES: &str = "\
Examples:
  synod dev                              three members, from port 2379 on
  synod dev --nodes 1
  synod dev --data ./data --listen 127.0.0.1:12379
";

/// Most members; more would say nothing more about the cluster and much about the machine.
const NODES_MAX: i64 = 9;

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(help_template = crate::cli::TEMPLATE, before_help = EXAMPLES)]
pub struct Arguments {
    /// How many members
    #[arg(long, value_name = "N", default_value_t = 3)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=NODES_MAX))]
    nodes: u16,
    /// Where the data lies; by default in a directory of your own, which is printed
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Address of the first member; the others follow in steps of two ports
    #[arg(long, default_value = "127.0.0.1:2379", value_name = "ADDRESS")]
    listen: SocketAddr,
}

/// The cluster that is to be run.
#[derive(Debug, PartialEq, Eq)]
pub struct DevConfig {
    /// Where the data of all members lies, a directory each.
    pub data: PathBuf,
    /// The members.
    pub members: Vec<ServeConfig>,
}

/// Runs the command.
pub fn run(arguments: Arguments) -> Result<Exit, Failure> {
    let config = plan(&arguments, |name| std::env::var_os(name))?;
    check_ports(&config)?;
    if arguments.nodes.is_multiple_of(2) {
        let tolerated = (arguments.nodes - 1) / 2;
        note(format_args!(
            "Note: {} members can lose {tolerated}, no more than one fewer could",
            arguments.nodes
        ));
    }
    start(config)
}

/// Runs the cluster until the process is told to stop.
fn start(config: DevConfig) -> Result<Exit, Failure> {
    // Members that come up one after the other are no news here.
    serving::log(LogLevel::Error);
    let began = Instant::now();
    let threads = serving::Threads::new(config.members.len(), config.members.len())?;
    threads.runtime()?.block_on(async {
        let members = serving::start_all(&config.members, threads).await?;
        let backends: Vec<_> = members.iter().map(|(_, running)| running.backend()).collect();
        // Ready means that a linearizable read is answered, not that ports are open.
        for backend in &backends {
            backend.ready().await;
        }
        print!("{}", welcome(&config, began.elapsed()));
        std::io::stdout().flush()?;
        let stop = serving::until_stopped(&members).await?;
        note(format_args!("Stopping {} members", members.len()));
        serving::stop(members).await;
        match stop {
            Stop::Signal => Ok(Exit::Fine),
            Stop::Failed(name, reason) => {
                Err(Failure::internal(format!("member {name} has failed: {reason}")))
            }
        }
    })
}

/// What the user needs to know of a running cluster.
fn welcome(config: &DevConfig, took: Duration) -> String {
    let mut text = String::new();
    let count = config.members.len();
    let members = if count == 1 { "A member is" } else { "members are" };
    let number = if count == 1 { String::new() } else { format!("{count} ") };
    let _ =
        writeln!(text, "{number}{members} ready to serve client requests, after {} ms.\n", took.as_millis());
    for member in &config.members {
        let _ = writeln!(
            text,
            "  {:<4} clients {}   peers {}   data {}",
            member.name,
            urls::join(&member.advertise_client_urls),
            urls::join(&member.initial_advertise_peer_urls),
            member.data_dir.display()
        );
    }
    let hosts: Vec<String> = config
        .members
        .iter()
        .flat_map(|member| &member.advertise_client_urls)
        .map(|url| format!("{}:{}", url.host, url.port))
        .collect();
    let _ = writeln!(text, "\nTry it:\n\n  export ETCDCTL_API=3 ETCDCTL_ENDPOINTS={}", hosts.join(","));
    let _ = writeln!(text, "  etcdctl put greeting hello");
    let _ = writeln!(text, "  etcdctl get greeting\n");
    let _ = writeln!(text, "Ctrl-C stops it; the data stays.");
    text
}

/// What the arguments mean.
fn plan(arguments: &Arguments, variable: impl Fn(&str) -> Option<OsString>) -> Result<DevConfig, Failure> {
    let port_max = arguments.listen.port().checked_add(2 * arguments.nodes - 1);
    if arguments.listen.port() == 0 || port_max.is_none() {
        return Err(Failure::usage(format!(
            "--listen {}: expected a port with {} free ports from it on",
            arguments.listen,
            2 * arguments.nodes
        )));
    }
    let data = match &arguments.data {
        Some(directory) => directory.clone(),
        None => default_data(arguments, variable)?,
    };
    let members = (0..arguments.nodes).map(|index| member(arguments, &data, index));
    let members = members.collect::<Result<_, _>>().map_err(|error| Failure::internal(error.to_string()))?;
    Ok(DevConfig { data, members })
}

/// A directory of this user's own; clusters of another size or on other ports have another, for they cannot
/// share one.
fn default_data(
    arguments: &Arguments,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<PathBuf, Failure> {
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_DATA_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/share")));
    let base = base
        .ok_or_else(|| Failure::usage("there is no home directory: say where the data lies with --data"))?;
    Ok(base.join("synod").join(format!("dev-{}-{}", arguments.nodes, arguments.listen.port())))
}

fn member(arguments: &Arguments, data: &Path, index: u16) -> Result<ServeConfig, ConfigError> {
    let listen_ip = arguments.listen.ip();
    let reached_ip = if listen_ip.is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { listen_ip };
    let url =
        |ip: IpAddr, offset: u16| format!("http://{}", SocketAddr::new(ip, arguments.listen.port() + offset));
    let peers =
        (0..arguments.nodes).map(|other| format!("n{}={}", other + 1, url(reached_ip, 2 * other + 1)));
    let name = format!("n{}", index + 1);
    let mut settings = Settings::default();
    for (setting, value) in [
        ("data-dir", data.join(&name).to_string_lossy().into_owned()),
        ("listen-client-urls", url(listen_ip, 2 * index)),
        ("advertise-client-urls", url(reached_ip, 2 * index)),
        ("listen-peer-urls", url(reached_ip, 2 * index + 1)),
        ("initial-advertise-peer-urls", url(reached_ip, 2 * index + 1)),
        ("initial-cluster", peers.collect::<Vec<_>>().join(",")),
        ("initial-cluster-token", "synod-dev".into()),
        ("name", name),
    ] {
        settings.set(Setting::new(setting, value, Origin::Default));
    }
    ServeConfig::from_settings(&settings).map(|loaded| loaded.config)
}

/// Finds a port that is taken before any member has begun.
fn check_ports(config: &DevConfig) -> Result<(), Failure> {
    for member in &config.members {
        let client = member.listen_client_urls.iter().map(|url| (url, "clients"));
        let peer = member.listen_peer_urls.iter().map(|url| (url, "other members"));
        for (url, whom) in client.chain(peer) {
            let address = url.bind_address().expect("the configuration was checked to listen on addresses");
            TcpListener::bind(address).map_err(|error| {
                Failure::usage(format!(
                    "{} cannot listen on {address} for {whom}: {error}; choose other ports with --listen",
                    member.name
                ))
            })?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(nodes: u16, data: Option<&str>, listen: &str) -> Arguments {
        Arguments { nodes, data: data.map(PathBuf::from), listen: listen.parse().expect("an address") }
    }

    fn home(name: &str) -> Option<OsString> {
        (name == "HOME").then(|| "/home/u".into())
    }

    #[test]
    fn ports_and_directories_follow_from_the_base() {
        let config = plan(&arguments(3, Some("/d"), "127.0.0.1:2379"), home).expect("valid");
        assert_eq!(config.members.len(), 3);
        let third = &config.members[2];
        assert_eq!((third.name.as_str(), third.data_dir.as_path()), ("n3", Path::new("/d/n3")));
        assert_eq!(urls::join(&third.listen_client_urls), "http://127.0.0.1:2383");
        assert_eq!(urls::join(&third.listen_peer_urls), "http://127.0.0.1:2384");
        assert_eq!(third.initial_cluster.len(), 3);
        assert_eq!(third.cluster_id, config.members[0].cluster_id);
        assert_ne!(third.member_id, config.members[0].member_id);
    }

    #[test]
    fn the_default_directory_is_the_users_own() {
        let config = plan(&arguments(1, None, "127.0.0.1:2379"), home).expect("valid");
        assert_eq!(config.data, Path::new("/home/u/.local/share/synod/dev-1-2379"));
        let config = plan(&arguments(1, None, "127.0.0.1:2379"), |_| Some("/x".into())).expect("valid");
        assert_eq!(config.data, Path::new("/x/synod/dev-1-2379"));
        let failure = plan(&arguments(1, None, "127.0.0.1:2379"), |_| None).expect_err("no home");
        assert!(failure.sentence.expect("said").contains("--data"));
    }

    #[test]
    fn a_wide_listener_is_reached_on_this_machine() {
        let config = plan(&arguments(1, Some("/d"), "0.0.0.0:2379"), home).expect("valid");
        assert_eq!(urls::join(&config.members[0].listen_client_urls), "http://0.0.0.0:2379");
        assert_eq!(urls::join(&config.members[0].advertise_client_urls), "http://127.0.0.1:2379");
    }

    #[test]
    fn ports_past_the_last_are_refused() {
        for listen in ["127.0.0.1:65533", "127.0.0.1:0"] {
            assert_eq!(plan(&arguments(3, Some("/d"), listen), home).expect_err(listen).exit, Exit::Usage);
        }
        assert!(plan(&arguments(3, Some("/d"), "127.0.0.1:65530"), home).is_ok());
    }

    #[test]
    fn a_port_that_is_taken_is_named() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let config = plan(&arguments(1, Some("/d"), &address.to_string()), home);
        let failure = config.and_then(|config| check_ports(&config)).expect_err("taken");
        assert!(failure.sentence.expect("said").contains(&format!("n1 cannot listen on {address}")));
    }
}
