//! Searches of a model whose states can be counted on paper.

use synod_sim::explore::{Explore, Model, Path, Property, Report, Verdict, fingerprint};

/// Two counters that go up to `most`, one at a time, from (0, 0): a grid, in which the distance of a state is its sum.
struct Grid {
    most: u32,
    properties: Vec<Property<Grid>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Raise {
    Left,
    Right,
}

impl Grid {
    fn new(most: u32, properties: impl IntoIterator<Item = Property<Grid>>) -> Self {
        Grid { most, properties: properties.into_iter().collect() }
    }
}

impl Model for Grid {
    type State = (u32, u32);
    type Action = Raise;

    fn initial(&self) -> Vec<(u32, u32)> {
        vec![(0, 0)]
    }

    fn actions(&self, state: &(u32, u32), actions: &mut Vec<Raise>) {
        if state.0 < self.most {
            actions.push(Raise::Left);
        }
        if state.1 < self.most {
            actions.push(Raise::Right);
        }
    }

    fn apply(&self, state: &(u32, u32), action: &Raise, next: &mut Vec<(u32, u32)>) {
        next.push(match action {
            Raise::Left => (state.0 + 1, state.1),
            Raise::Right => (state.0, state.1 + 1),
        });
    }

    fn properties(&self) -> &[Property<Self>] {
        &self.properties
    }

    fn fingerprint(&self, state: &(u32, u32)) -> u64 {
        fingerprint(state)
    }
}

fn explore(threads: usize, model: &Grid) -> Report {
    Explore { threads, ..Explore::default() }.run(model)
}

fn never(left: u32, right: u32) -> Property<Grid> {
    Property::always("not there", move |_, state: &(u32, u32)| match *state == (left, right) {
        false => Ok(()),
        true => Err(format!("found {state:?}")),
    })
}

#[test]
fn every_state_is_found_once() {
    let most = 400u64;
    let grid = Grid::new(
        most as u32,
        [Property::sometimes("end", |grid: &Grid, state| *state == (grid.most, grid.most))],
    );
    for threads in [1, 2, 3, 8] {
        let report = explore(threads, &grid);
        report.assert_holds();
        assert_eq!(report.counts.states, (most + 1) * (most + 1));
        assert_eq!(report.counts.transitions, 1 + 2 * most * (most + 1));
        assert_eq!((report.counts.depth, report.counts.over, report.counts.cut), (2 * most as u32, 1, 0));
        let (_, path) = &report.reached[0];
        assert_eq!(path.as_ref().map(Path::steps), Some(2 * most as usize));
    }
}

#[test]
fn a_counterexample_is_a_shortest_one_and_the_same_for_any_number_of_threads() {
    let grid = Grid::new(400, [never(190, 110), never(140, 160), never(5, 380)]);
    let first = explore(1, &grid);
    let found = first.assert_violates("not there");
    assert_eq!(found.path.steps(), 300);
    let walk = found.path.walk(&grid).expect("a path of the model");
    assert_eq!(found.sentence, format!("found {:?}", walk.states[300]));
    assert_eq!(found.lines.len(), 300);
    for threads in [2, 5] {
        let report = explore(threads, &grid);
        assert_eq!((&report.verdict, report.counts), (&first.verdict, first.counts), "{threads} threads");
    }
    assert_eq!(first.exit_code(), 1);
}

#[test]
fn what_is_owed_is_judged_where_the_run_is_over() {
    let owed = |left: u32| {
        Property::eventually("even", move |_: &Grid, state: &(u32, u32)| match state.0 == left {
            true => Ok(()),
            false => Err(format!("{} is left", state.0)),
        })
    };
    explore(1, &Grid::new(3, [owed(3)])).assert_holds();
    let report = explore(1, &Grid::new(4, [owed(3)]));
    let found = report.assert_violates("even");
    assert_eq!((found.sentence.as_str(), found.path.steps()), ("4 is left", 8));
}

#[test]
fn what_was_not_seen_is_not_claimed() {
    let bounded = Explore { states_max: 500, threads: 1, ..Explore::default() }.run(&Grid::new(100, []));
    assert!(matches!(bounded.verdict, Verdict::Incomplete(_)), "{bounded}");
    assert!(bounded.to_string().contains("not complete: there are more than the 500 states"), "{bounded}");
    let shallow = Explore { depth_max: 10, ..Explore::default() }.run(&Grid::new(100, []));
    assert_eq!((shallow.exit_code(), shallow.counts.states), (2, 66), "{shallow}");
    let unreached = Property::sometimes("beyond", |_: &Grid, state: &(u32, u32)| state.0 == 4);
    let vacuous = explore(1, &Grid::new(3, [unreached]));
    assert_eq!(vacuous.exit_code(), 2);
    assert!(vacuous.to_string().ends_with("it proves nothing: no state shows beyond"), "{vacuous}");
}

#[test]
fn a_path_is_text_and_text_is_not_trusted() {
    let grid = Grid::new(2, [never(1, 1)]);
    let report = explore(1, &grid);
    let path = &report.assert_violates("not there").path;
    assert_eq!(path.to_string().parse().as_ref(), Ok(path));
    let walk = |text: &str| text.parse::<Path>().and_then(|path| path.walk(&grid)).map(|walk| walk.states);
    assert_eq!(walk("0.0.1"), Ok(vec![(0, 0), (1, 0), (1, 1)]));
    for text in [
        "",
        "0.x",
        "1",
        "0.2",
        "0.0:1",
        "0.0.0.1.1.1",
        "-1",
        "0..1",
        "0.1:",
        "99999999999999999999",
        "0.4096",
    ] {
        assert!(walk(text).is_err(), "{text}");
    }
}

#[test]
fn progress_is_told() {
    let mut told = Vec::new();
    Explore::default().run_with(&Grid::new(50, []), &mut |counts| told.push(*counts));
    assert!(told.windows(2).all(|two| two[0].states <= two[1].states && two[0].depth <= two[1].depth));
    assert_eq!(told.last().map(|counts| counts.states), Some(51 * 51));
}
