//! What people look at: the diagram and the trace.

mod ledger;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ledger::*;
use synod_sim::*;

const STORY: &str =
    "at 0.2s crash-at-sync n2 for 0.2s\nat 0.3s partition n1 | n3 for 0.1s\nat 0.35s pause n3 for 0.1s";

fn story() -> World<Ledger> {
    let mut plan = plan(4, STORY);
    plan.safety = Duration::from_millis(500);
    plan.network.loss = Odds::percent(5);
    plan.network.duplication = Odds::percent(5);
    let subject = Ledger::new(&plan);
    World::new(plan, subject).expect("a plan")
}

#[test]
fn a_diagram_shows_faults_and_fates_within_its_width() {
    let mut world = story();
    world.keep(usize::MAX);
    world.run();
    let wide = world.draw(&Diagram { lines_max: 4_000, ..Diagram::default() });
    for sign in ['▶', '◀', '✕', '▮', '»', '○', '#', '*', '≈', '│'] {
        let lines = wide.lines().filter(|line| !line.contains("legend")).filter(|line| line.contains(sign));
        assert!(lines.count() > 0, "no {sign} in\n{wide}");
    }
    assert!(wide.lines().next().expect("a head").ends_with("ms n1 n2 n3"));
    assert!(wide.contains("DROPPED loss") && wide.contains("BLOCKED f1"));
    let ascii = world.draw(&Diagram { lines_max: 30, ascii: true, ..Diagram::default() });
    assert!(ascii.is_ascii() && !ascii.contains('?'), "{ascii}");
    assert!(ascii.contains("f1 partition n1 | n3 for 0.1s"), "an important moment is kept:\n{ascii}");
    assert!(ascii.contains(" more"), "the rest is folded");
    for picture in [&wide, &ascii] {
        assert!(picture.lines().all(|line| line.chars().count() <= 80), "{picture}");
    }
    assert!(ascii.lines().count() <= 30 * 2 + 5);
}

#[test]
fn a_violation_is_the_last_that_is_drawn() {
    let mut plan = plan(1, "");
    plan.sabotage.leak_held_effects = true;
    let mut world: World<Ledger> = World::new(plan.clone(), Ledger::new(&plan)).expect("a plan");
    world.keep(1_000);
    let found = world.run().found.expect("the leak is found");
    let picture = world.draw(&Diagram::default());
    assert!(found.violation.to_string().starts_with("held effects violated"));
    let line = picture.lines().rfind(|line| line.contains("held effects violated"));
    assert!(line.is_some_and(|line| line.ends_with("violation")), "{picture}");
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<String>>);

impl std::fmt::Write for Shared {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.lock().expect("one thread").push_str(text);
        Ok(())
    }
}

#[test]
fn a_trace_has_every_record_with_stamps_and_every_fate_once() {
    let mut world = story();
    let trace = Shared::default();
    world.trace_to("ledger", Box::new(trace.clone())).expect("a string takes all");
    let run = world.run();
    let trace = trace.0.lock().expect("one thread").clone();
    let count = |start: &str| trace.lines().filter(|line| line.starts_with(start)).count() as u64;
    assert!(
        trace.starts_with("{\"synod_trace\":1,\"machine\":\"ledger\",\"seed\":\"4\",\"nodes\":[1,2,3]}\n")
    );
    assert_eq!(count("{\"e\":"), run.records);
    let fates: u64 =
        run.exercised.iter().filter(|(name, _)| name.starts_with("message.")).map(|(_, count)| count).sum();
    assert_eq!(count("{\"m\":"), fates);
    assert!(
        trace.lines().filter(|line| line.starts_with("{\"e\":")).all(|line| line.contains("\"vector\":["))
    );
    let end = format!("{{\"end\":{},\"fingerprint\":\"{:016x}\"}}\n", run.records, run.fingerprint);
    assert!(trace.ends_with(&end));
}

#[test]
fn a_sink_that_fails_is_heard_of() {
    use std::fmt::Write;
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut lines = Lines::new(Full);
    assert!(write!(lines, "x").is_err());
    assert!(lines.finish().is_err());
}
