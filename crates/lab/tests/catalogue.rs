//! The catalogue, walked: no entry can be forgotten, and none lacks a part.

use std::collections::BTreeSet;

use synod_lab::catalogue::{ENTRIES, SURVEY, entry, experiment, experiments};
use synod_lab::entry::{Domain, Entry, Origin, Trial};
use synod_lab::hunt::{Campaign, Verdict};
use synod_lab::replay::Look;
use synod_sim::Hunt;
use synod_sim::explore::Explore;

/// Runs of each entry's hunt here; the long campaign is made by hand.
const RUNS: u64 = 30;
/// Runs within which each weakness is found.
const WEAKNESS_RUNS_MAX: u64 = 500;

/// All but the database, which has campaigns of its own.
fn mechanisms() -> impl Iterator<Item = &'static dyn Entry> {
    ENTRIES.iter().copied().filter(|entry| entry.name() != "database")
}

#[test]
fn every_entry_is_described_in_full() {
    let mut names = BTreeSet::new();
    for entry in ENTRIES {
        let about = entry.about();
        let name = about.name;
        assert!(names.insert(name), "two entries are called {name}");
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{name}");
        assert!(about.question.ends_with('?'), "{name}: {}", about.question);
        assert!(about.essay().lines().count() > 8, "{name} has an essay");
        assert!(!about.survives.is_empty() && !about.papers.is_empty(), "{name}");
        assert!(!about.properties.is_empty() && !about.weaknesses.is_empty(), "{name}");
        for weakness in about.weaknesses {
            assert!(
                weakness.sentence.ends_with('.') && !weakness.violates.is_empty(),
                "{name}: {weakness:?}"
            );
            let settings = entry.settings().showing(weakness);
            for property in weakness.violates {
                let known = about.property(property).is_some();
                assert!(known, "{name}: {} violates `{property}`, which is no property", weakness.name);
            }
            drop(entry.plan(1, &settings));
        }
        for parameter in about.parameters {
            let default = parameter.canonical(&parameter.default());
            assert!(default.is_some(), "{name}: the default of {} is not in its range", parameter.name);
        }
        for cost in about.costs {
            let value = (cost.value)(&entry.settings());
            assert!(value.is_finite(), "{name}: {}", cost.name);
        }
    }
}

#[test]
fn every_need_has_a_weakness_that_breaks_it() {
    for entry in mechanisms() {
        let needs = entry.needs();
        for (name, needed) in [
            ("fifo", needs.fifo),
            ("reliable", needs.reliable),
            ("bounded_delay", needs.bounded_delay),
            ("bounded_drift", needs.bounded_drift),
            ("stable_storage", needs.stable_storage),
            ("wall_clock", needs.wall_clock),
        ] {
            let broken =
                entry.about().weaknesses.iter().any(|weakness| weakness.origin == Origin::Need(name));
            assert!(broken || !needed, "{} needs {name}, and no weakness breaks it", entry.name());
        }
    }
}

#[test]
fn every_story_runs_the_same_twice() {
    none_of(ENTRIES.iter().copied().filter_map(|entry| {
        let settings = entry.settings();
        let plan = entry.story(7, &settings);
        let name = entry.name();
        let replayed = entry.replay(plan, &settings, &Look::default(), None).expect(name);
        let (found, vacuous) = (replayed.run.found, replayed.run.vacuous);
        let fine = replayed.same && found.is_none() && vacuous.is_none();
        (!fine).then(|| format!("{name}: same {}, found {found:?}, vacuous {vacuous:?}", replayed.same))
    }));
}

/// All that is wrong is said, not the first only.
#[track_caller]
fn none_of(wrong: impl Iterator<Item = String>) {
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_mechanism_survives_what_it_claims_to_survive() {
    none_of(mechanisms().filter_map(|entry| {
        let hunt = Hunt { runs: RUNS, violations_max: 3, ..Hunt::default() };
        let campaign = Campaign { entry, settings: entry.settings(), hunt, findings: None };
        let outcome = campaign.go(&mut |_, _| true).expect("plans can be run");
        let verdict = outcome.verdict(entry.about());
        let exercised = |name: &&&str| outcome.report.exercised.count(name) == 0;
        let never: Vec<&&str> = entry.about().must_exercise.iter().filter(exercised).collect();
        let clean = verdict == Verdict::Clean && never.is_empty();
        (!clean).then(|| {
            format!("{}: {verdict:?}, never {never:?}: {:#?}", entry.name(), outcome.report.violations)
        })
    }));
}

#[test]
fn every_weakness_is_found() {
    let all = mechanisms().flat_map(|entry| entry.about().weaknesses.iter().map(move |one| (entry, one)));
    none_of(all.filter_map(|(entry, weakness)| {
        let settings = entry.settings().showing(weakness);
        let hunt =
            Hunt { runs: WEAKNESS_RUNS_MAX, twice: false, violations_max: usize::MAX, ..Hunt::default() };
        let campaign = Campaign { entry, settings, hunt, findings: None };
        let outcome = campaign.go(&mut |_, run| !weakness.explains(run)).expect("plans can be run");
        let found = outcome.report.violations.iter().any(|run| weakness.explains(run));
        let (name, runs) = (entry.name(), outcome.report.runs);
        (!found).then(|| format!("{name}: {} was not found in {runs} runs", weakness.name))
    }));
}

/// Two runs of each experiment at the defaults: what is measured has the names that rows expect. Whether figures hold is what `synod lab measure` says.
#[test]
fn every_experiment_measures_what_its_rows_expect() {
    let mut names = BTreeSet::new();
    for (entry, experiment) in experiments() {
        assert!(names.insert(experiment.name), "two experiments are called {}", experiment.name);
        assert!(!experiment.rows.is_empty(), "{}: {} has no known row", entry.name(), experiment.name);
        for row in experiment.rows {
            let mut settings = synod_lab::entry::Settings::of(experiment.parameters);
            for (name, value) in row.assignments() {
                settings.put(name, value).expect(experiment.name);
            }
            assert!(experiment.row(&settings).is_some(), "{}: a row does not fit itself", experiment.name);
        }
        let settings = synod_lab::entry::Settings::of(experiment.parameters);
        if let Some(row) = experiment.row(&settings) {
            let trial = Trial { settings: &settings, runs: 2, seed: 1, threads: 2, progress: &|_, _| true };
            let figures = (experiment.run)(&trial).expect(experiment.name);
            for expected in row.expected {
                let known = figures.iter().any(|figure| figure.name == expected.figure);
                assert!(known, "{}: {} is expected and not measured", experiment.name, expected.figure);
            }
        }
    }
}

#[test]
fn wrong_names_suggest_the_nearest() {
    let message = entry("lamport-mutx").err().expect("no such entry");
    assert_eq!(message, "no such mechanism: lamport-mutx; did you mean lamport-mutex?");
    let message = experiment("lamport-mutex-costs").err().expect("no such experiment");
    assert_eq!(message, "no such experiment: lamport-mutex-costs; did you mean lamport-mutex-cost?");
}

/// What is still to come is said, and nothing is said twice.
#[test]
fn every_row_of_the_survey_is_shown_or_to_come() {
    let names: BTreeSet<&str> = SURVEY.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), SURVEY.len(), "a row stands twice");
    for row in SURVEY {
        match row.entry() {
            Some(entry) => println!("{:<20} {}", row.name, entry.name()),
            None => println!("{:<20} to come (section {})", row.name, row.chapter),
        }
        if let Some(entry) = row.entry().filter(|entry| entry.name() == row.name) {
            assert_eq!(entry.about().family, row.family, "{}", row.name);
        }
    }
}

#[test]
fn every_small_world_comes_out_as_it_says() {
    for entry in ENTRIES {
        let about = entry.about();
        let mut names = BTreeSet::new();
        for exploration in about.explorations {
            let name = format!("{} {}", about.name, exploration.name);
            assert!(names.insert(exploration.name), "two explorations are called {name}");
            assert!(exploration.sentence.ends_with('.'), "{name}: {}", exploration.sentence);
            let report = (exploration.run)(&exploration.settings(), &Explore::default(), &mut |_| {});
            let found = report.violation().map(|found| found.property.as_str());
            assert_eq!(found, exploration.violates, "{name}: {report}");
            assert!(found.is_some() || report.exit_code() == 0, "{name}: {report}");
        }
    }
}

/// Repeated packets beget others without end: what lies beyond so many states is not seen.
const ATTACK_STATES_MAX: u64 = 20_000;

#[test]
fn no_attack_of_one_kind_breaks_an_access() {
    let about = entry("kerberos").expect("the catalogue has it").about();
    let world = about.explorations.iter().find(|world| world.name == "adversary").expect("it is known");
    let Domain::Word(attacks) = world.parameters[0].domain else { panic!("expected words") };
    for attack in attacks {
        let mut settings = world.settings();
        settings.put("attack", attack).expect("one of its words");
        let explore = Explore { states_max: ATTACK_STATES_MAX, ..Explore::default() };
        let report = (world.run)(&settings, &explore, &mut |_| {});
        assert!(report.violation().is_none(), "{attack}: {report}");
        assert!(report.counts.states > 10, "{attack}: {report}");
    }
}

#[test]
fn the_shortest_circular_wait_takes_six_steps() {
    let about = entry("maekawa").expect("the catalogue has it").about();
    let world = about.explorations.iter().find(|world| world.name == "no-handling").expect("it is known");
    let report = (world.run)(&world.settings(), &Explore::default(), &mut |_| {});
    let found = report.assert_violates("no deadlock");
    assert!(found.sentence.contains("circular wait"), "{}", found.sentence);
    assert_eq!(found.path.steps(), 6, "three ask, and each asks the next: {:#?}", found.lines);
}

#[test]
fn three_processes_of_seven_end_well() {
    let about = entry("maekawa").expect("the catalogue has it").about();
    let world = about.explorations.iter().find(|world| world.name == "small").expect("it is known");
    let mut settings = world.settings();
    settings.put("order", "2").expect("a plane of seven");
    (world.run)(&settings, &Explore::default(), &mut |_| {}).assert_holds();
}
