use std::time::Instant;
use synod_lab::scenario::database::{self, Database};
fn main() {
    let args: Vec<u64> = std::env::args().skip(1).map(|a| a.parse().unwrap()).collect();
    let (from, runs) = (args[0], args[1]);
    let begun = Instant::now();
    let (mut records, mut ops, mut sim) = (0, 0, 0.0);
    let mut total = synod_sim::Exercised::default();
    for seed in from..from + runs {
        let plan = database::plan(seed);
        let t = Instant::now();
        let subject = Database::new(&plan);
        let mut world = synod_sim::World::new(plan, subject).unwrap();
        if let Ok(at) = std::env::var("DBG") {
            world.run_until(std::time::Duration::from_millis(at.parse().unwrap()));
            use synod_machine::Machine;
            let view = world.view();
            for node in view.nodes() {
                match view.machine(node) {
                    Some(machine) => {
                        let mut v = synod_machine::View::default();
                        machine.inspect(&mut v);
                        println!("{node}");
                        for (name, value) in v.entries { println!("     {name} = {value}"); }
                    }
                    None => println!("{node} down"),
                }
            }
        }
        let run = world.run();
        records += run.records;
        sim += run.simulated.as_secs_f64();
        for (n, c) in world.subject().exercised() { total.add(n, c); if n == "client.operations" { ops += c } }
        total.merge(&run.exercised);
        println!("{seed}: records {} sim {:?} wall {:?} rev {} unexplained {} {:?}", run.records, run.simulated, t.elapsed(), world.subject().revision(), world.subject().is_unexplained(), run.vacuous);
        if let Some(found) = run.found { println!("   FOUND at {} {:?}: {}", found.time, found.phase, found.violation.to_string().chars().take(1500).collect::<String>()); }
    }
    let wall = begun.elapsed().as_secs_f64();
    println!("records/s {:.0} ops/s {:.0} sim/wall {:.1} runs/s {:.2}", records as f64 / wall, ops as f64 / wall, sim / wall, runs as f64 / wall);
    for (n, c) in total.iter() { println!("  {n}: {c}"); }
}
