//! The rows of the comparison and what each is to reach.

/// Keys of every workload: few enough to be written once before they are read.
pub const KEYS: &str = "20000";

/// Of a store larger than memory, the slowest hundredth of gets at a fixed rate.
const GETS_P99_SECONDS: f64 = 0.005;

/// A row of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Workload, in flight, members.
    pub name: String,
    /// What is to be reached.
    pub target: Target,
}

/// What a row is to reach, as ratios to etcd's figures, or as figures.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Target {
    /// At least so many times the rate.
    pub rate: Option<f64>,
    /// At most so many times the CPU time.
    pub cpu: Option<f64>,
    /// At most so many times the median latency.
    pub p50: Option<f64>,
    /// At most so many times the latency of the slowest hundredth.
    pub p99: Option<f64>,
    /// At most so many seconds.
    pub seconds: Option<f64>,
    /// At most that share of one core.
    pub cpu_share: Option<f64>,
    /// At most so many bytes a member.
    pub resident: Option<f64>,
    /// At most so many bytes of memory more.
    pub grown: Option<f64>,
    /// At most so many bytes on disk.
    pub disk: Option<f64>,
    /// At most so many checks that fail.
    pub failed: Option<f64>,
}

/// A row that `synod bench` measures.
#[derive(Clone, Copy, Debug)]
pub struct BenchRow {
    /// As `synod bench` calls it.
    pub workload: &'static str,
    /// Requests in flight.
    pub in_flight: u32,
    /// Of the cluster.
    pub members: usize,
    /// Further words for `synod bench`.
    pub more: &'static [&'static str],
    target: Target,
}

impl BenchRow {
    /// The row's name.
    pub fn name(&self) -> String {
        format!("{} c{} n{}", self.workload, self.in_flight, self.members)
    }

    /// The row.
    pub fn row(&self) -> Row {
        Row { name: self.name(), target: self.target }
    }
}

/// Members start and serve clients.
pub fn start(members: usize) -> Row {
    Row { name: format!("start n{members}"), target: Target::default() }
}

/// Members with nothing to do.
pub fn idle(members: usize) -> Row {
    let target = Target { cpu_share: Some(0.005), resident: Some(25e6), ..Target::default() };
    Row { name: format!("idle n{members}"), target }
}

/// After all workloads.
pub fn memory(members: usize) -> Row {
    let target = Target { resident: Some(110e6), ..Target::default() };
    Row { name: format!("memory after load n{members}"), target }
}

/// The leader is killed.
pub fn leader_killed() -> Row {
    timed("leader killed n3", 0.4)
}

/// The leader is asked to stop.
pub fn leader_stopped() -> Row {
    timed("leader stopped n3", 0.012)
}

/// A million small keys are written.
pub fn million() -> Row {
    let target = Target { resident: Some(250e6), disk: Some(200e6), ..Target::default() };
    Row { name: "million keys n1".to_owned(), target }
}

/// The member that has them is asked to stop, and started.
pub fn million_restart() -> Row {
    timed("million: restart n1", 1.0)
}

/// The member that has them is killed, and started.
pub fn million_restart_killed() -> Row {
    timed("million: kill -9 n1", 1.0)
}

/// The store is larger than the member's memory: just after it was filled.
pub fn larger_first() -> Row {
    timed("4 GB in 512 MB, new n1", GETS_P99_SECONDS)
}

/// A while after that.
pub fn larger() -> Row {
    let target = Target { seconds: Some(GETS_P99_SECONDS), grown: Some(10e6), ..Target::default() };
    Row { name: "4 GB in 512 MB n1".to_owned(), target }
}

/// What `etcdctl check perf` finds: it is to find nothing wrong.
pub fn check_perf(load: &str) -> Row {
    let target = Target { failed: Some(0.0), ..Target::default() };
    Row { name: format!("etcdctl check perf {load} n3"), target }
}

/// Synced appends to the log, in batches of so many records, beside a raw file.
pub fn log(batch: &str) -> Row {
    let target = Target { rate: Some(0.9), ..Target::default() };
    Row { name: format!("log, {batch} a sync; raw file"), target }
}

/// One of them is asked for, with how many there are behind it.
pub fn million_look() -> Row {
    timed("million: limit 1 n1", 0.001)
}

/// All of them are asked for at once.
pub fn million_all() -> Row {
    let target = Target { seconds: Some(1.0), grown: Some(50e6), ..Target::default() };
    Row { name: "million: all n1".to_owned(), target }
}

/// The store that has them is looked after while others write: the longest write.
pub fn million_care(care: &str) -> Row {
    timed(&format!("million: {care} n1"), 0.05)
}

fn timed(name: &str, seconds_max: f64) -> Row {
    Row { name: name.to_owned(), target: Target { seconds: Some(seconds_max), ..Target::default() } }
}

const WRITE: Target = Target { rate: Some(2.0), cpu: Some(0.34), p99: Some(0.5), ..NO_TARGET };
const READ: Target = Target { rate: Some(1.6), cpu: Some(0.5), p99: Some(1.0), ..NO_TARGET };
const FANOUT: Target = Target { rate: Some(3.0), ..NO_TARGET };
const PUT_ALONE: Target = Target { p50: Some(0.5), ..NO_TARGET };
const GET_ALONE: Target = Target { p50: Some(1.0), ..NO_TARGET };
const NO_TARGET: Target = Target {
    rate: None,
    cpu: None,
    p50: None,
    p99: None,
    seconds: None,
    cpu_share: None,
    resident: None,
    grown: None,
    disk: None,
    failed: None,
};

/// All of them; the keys are written before they are read.
pub const BENCH_ROWS: &[BenchRow] = &[
    row("put", 512, 3, &["--distribution", "sequential"], WRITE),
    row("put", 64, 3, &[], WRITE),
    row("put", 1, 3, &[], PUT_ALONE),
    row("cas", 64, 3, &[], WRITE),
    row("cas", 512, 3, &[], WRITE),
    row("mixed", 64, 3, &[], WRITE),
    row("mixed", 512, 3, &[], WRITE),
    row("get", 1, 3, &[], GET_ALONE),
    row("get", 64, 3, &[], READ),
    row("get", 512, 3, &[], READ),
    row("get-serializable", 64, 3, &[], READ),
    row("get-serializable", 512, 3, &[], READ),
    row("get-serializable", 1, 3, &[], GET_ALONE),
    row("list", 16, 3, &[], FANOUT),
    row("watch", 100, 3, &["--connections", "9"], FANOUT),
    row("put", 512, 1, &["--distribution", "sequential"], WRITE),
    row("put", 64, 1, &[], WRITE),
    row("put", 1, 1, &[], PUT_ALONE),
    row("cas", 64, 1, &[], WRITE),
    row("cas", 512, 1, &[], WRITE),
    row("mixed", 64, 1, &[], WRITE),
    row("mixed", 512, 1, &[], WRITE),
    row("get", 1, 1, &[], GET_ALONE),
    row("get", 64, 1, &[], READ),
    row("get", 512, 1, &[], READ),
    row("get-serializable", 64, 1, &[], READ),
    row("get-serializable", 512, 1, &[], READ),
    row("list", 16, 1, &[], FANOUT),
    row("watch", 100, 1, &["--connections", "9"], FANOUT),
];

const fn row(
    workload: &'static str,
    in_flight: u32,
    members: usize,
    more: &'static [&'static str],
    target: Target,
) -> BenchRow {
    BenchRow { workload, in_flight, members, more, target }
}
